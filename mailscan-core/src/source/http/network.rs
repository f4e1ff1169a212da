//! Which network addresses may be fetched from.
//!
//! The check happens where the connection is made: on the addresses that a name resolves to, and on hosts that are
//! written as addresses, at every hop. A name that resolves differently the second time therefore changes nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use ipnet::IpNet;
use tokio::sync::Semaphore;
use tower_service::Service;

/// The most names looked up at a time.
const MAX_LOOKUPS: usize = 64;

/// Which network addresses may be fetched from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NetworkPolicy {
    /// Any: for a person who acts for themself on their own machine.
    #[default]
    Any,
    /// Public addresses and the networks named: for jobs that others hand in.
    PublicOnly {
        /// Networks that are allowed although they are not public.
        allow: Vec<IpNet>,
    },
}

impl NetworkPolicy {
    /// Whether an address may be fetched from.
    pub fn allows(&self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::PublicOnly { allow } => is_public(address) || allow.iter().any(|network| network.contains(&address)),
        }
    }
}

/// Whether an address is one of the public Internet: none of the special-purpose addresses of IANA's registries (RFC
/// 6890), also when it is wrapped into an IPv6 address.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(address),
        },
    }
}

/// Where machines in Azure ask their host about themselves: public by its number alone.
const AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // shared address space, RFC 6598
        || (a == 192 && b == 0 && c == 0) // protocol assignments
        || (a == 192 && b == 88 && c == 99) // 6to4 relays
        || (a == 198 && (b == 18 || b == 19)) // benchmarks, RFC 2544
        || address == AZURE;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Global unicast is 2000::/3; within it, protocol assignments (2001::/23) and documentation are not public.
    (segments[0] & 0xe000) == 0x2000
        && !(segments[0] == 0x2001 && segments[1] < 0x0200)
        && !(segments[0] == 0x2001 && segments[1] == 0x0db8)
        && (segments[0] & 0xfff0) != 0x3ff0
}

/// The IPv4 address inside an IPv6 one: mapped, compatible, NAT64 (RFC 6052) or 6to4 (RFC 3056).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] if address != Ipv6Addr::LOCALHOST && !address.is_unspecified() => {
            Some(join(high, low))
        }
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => Some(join(high, low)),
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

/// The error of a connection that the policy refuses.
#[derive(Debug, thiserror::Error)]
#[error("{}: allow it with --allow-network {address}", self.what())]
pub(crate) struct PrivateAddress {
    pub(crate) host: String,
    pub(crate) address: IpAddr,
}

impl PrivateAddress {
    fn what(&self) -> String {
        // A host that is written as an address, in whatever form, is no name for it.
        if self.host.trim_matches(['[', ']']).parse() == Ok(self.address) {
            return format!("{} is a private address", self.address);
        }
        format!("{} is {}, a private address", self.host, self.address)
    }
}

/// Whether a failed look-up is the resolver's word that there is no such name, and not that it could not find out. The
/// system says so in words alone, which are those of glibc, musl and macOS.
pub(super) fn is_no_such_name(text: &str) -> bool {
    const WORDS: [&str; 6] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "Name has no usable address",
        "nodename nor servname provided",
        "No such host is known",
    ];
    WORDS.iter().any(|words| text.contains(words))
}

/// How names are looked up: the addresses of one, whatever their ports, on a thread that may wait.
pub(super) type LookUp = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// As the system does.
pub(super) fn by_system(name: &str) -> io::Result<Vec<SocketAddr>> {
    (name, 0).to_socket_addrs().map(Iterator::collect)
}

tokio::task_local! {
    /// Whether the request that a task makes waits until its name is looked up, for whoever gives it up.
    pub(super) static LOOKING_UP: Arc<AtomicBool>;
}

/// Says so for as long as it lives, unless the wait is given up with the request.
struct Wait(Option<Arc<AtomicBool>>);

impl Wait {
    fn begin() -> Self {
        // A connection may be made for a request that no longer needs it.
        let wait = Self(LOOKING_UP.try_with(Arc::clone).ok());
        wait.tell(true);
        wait
    }

    fn tell(&self, waits: bool) {
        if let Some(told) = &self.0 {
            told.store(waits, Ordering::Relaxed);
        }
    }
}

/// Resolves names and drops the addresses that the policy refuses.
#[derive(Clone, Debug)]
pub(super) struct CheckedResolver {
    look_up: LookUp,
    /// The system resolves on threads that other work needs as well, and a dead name holds one for long.
    places: Arc<Semaphore>,
    policy: Arc<NetworkPolicy>,
}

impl CheckedResolver {
    pub(super) fn new(policy: Arc<NetworkPolicy>, look_up: LookUp) -> Self {
        Self { look_up, places: Arc::new(Semaphore::new(MAX_LOOKUPS)), policy }
    }
}

impl Service<Name> for CheckedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let host = name.as_str().to_owned();
        let (look_up, places, policy) = (self.look_up, self.places.clone(), self.policy.clone());
        Box::pin(async move {
            let wait = Wait::begin();
            let place = places.acquire_owned().await.map_err(io::Error::other)?;
            let looking = tokio::task::spawn_blocking(move || {
                let found = look_up(name.as_str());
                // Nobody may wait for it any more, but the thread was taken until now.
                drop(place);
                found
            });
            let all = looking.await.map_err(io::Error::other);
            wait.tell(false);
            let all = all??;
            let allowed: Vec<_> = all.iter().copied().filter(|address| policy.allows(address.ip())).collect();
            match all.first() {
                Some(refused) if allowed.is_empty() => {
                    Err(io::Error::other(PrivateAddress { host, address: refused.ip() }))
                }
                _ => Ok(allowed.into_iter()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;
    use std::sync::{Condvar, Mutex};
    use std::time::Duration;

    use futures::FutureExt;
    use tokio::time::Instant;
    use url::Url;

    use super::*;
    use crate::fetch::FetchErrorClass;
    use crate::source::http::ClientOptions;
    use crate::source::http::client::Client;

    #[test]
    fn special_addresses_are_not_public_however_they_are_wrapped() {
        for text in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.169.254",
            "168.63.129.16",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "240.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "::127.0.0.1",
            "2001::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn ordinary_addresses_are_public() {
        for text in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_refusal_says_what_would_allow_it() {
        let refused = |host: &str, address: &str| {
            PrivateAddress { host: host.to_owned(), address: address.parse().unwrap() }.to_string()
        };
        let mend = "allow it with --allow-network 127.0.0.1";
        assert_eq!(refused("127.0.0.1", "127.0.0.1"), format!("127.0.0.1 is a private address: {mend}"));
        assert_eq!(refused("a.org", "127.0.0.1"), format!("a.org is 127.0.0.1, a private address: {mend}"));
        assert!(refused("[::1]", "::1").starts_with("::1 is a private address"));
    }

    #[test]
    fn a_resolver_that_could_not_find_out_has_not_said_no() {
        let text = |why: &str| format!("failed to lookup address information: {why}");
        assert!(is_no_such_name(&text("Name or service not known")));
        assert!(
            !is_no_such_name(&text("Temporary failure in name resolution")) && !is_no_such_name(&text("Try again"))
        );
    }

    /// Holds look-ups back until it is opened, or dropped.
    struct Gate(Mutex<bool>, Condvar);

    impl Gate {
        const fn new() -> Self {
            Self(Mutex::new(false), Condvar::new())
        }

        fn wait(&self) {
            drop(self.1.wait_while(self.0.lock().unwrap(), |is_open| !*is_open).unwrap());
        }
    }

    struct Opens(&'static Gate);

    impl Drop for Opens {
        fn drop(&mut self) {
            *self.0.0.lock().unwrap() = true;
            self.0.1.notify_all();
        }
    }

    #[tokio::test]
    async fn a_look_up_that_nobody_waits_for_keeps_its_place_until_it_ends() {
        static GATE: Gate = Gate::new();
        let opens = Opens(&GATE);
        let look_up: LookUp = |_| {
            GATE.wait();
            Ok(Vec::new())
        };
        let mut resolver = CheckedResolver::new(Arc::default(), look_up);
        let mut call = || resolver.call(Name::from_str("a.org").unwrap());
        for _ in 0..MAX_LOOKUPS {
            assert!(call().now_or_never().is_none());
        }
        let mut next = call();
        assert!(next.as_mut().now_or_never().is_none());
        assert_eq!(resolver.places.available_permits(), 0);
        drop(opens);
        assert_eq!(next.await.unwrap().len(), 0);
    }

    #[tokio::test]
    async fn a_request_that_waits_for_its_name_says_so() {
        static GATE: Gate = Gate::new();
        let _opens = Opens(&GATE);
        let look_up: LookUp = |name| {
            if name == "dead.org" {
                GATE.wait();
            }
            Ok(vec![(Ipv4Addr::LOCALHOST, 0).into()])
        };
        // It takes connections, and says nothing over them.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // Enough for a connection on a busy machine.
        let options = ClientOptions { header_timeout: Duration::from_secs(1), ..ClientOptions::default() };
        let options = ClientOptions { connect_timeout: Duration::from_millis(500), ..options };
        let client = Client::looking_up(&options, look_up).unwrap();
        for (url, code) in [
            (format!("http://dead.org:{port}/"), "dns"),
            (format!("https://a.org:{port}/"), "connect-timeout"),
            (format!("http://a.org:{port}/"), "header-timeout"),
        ] {
            let far = Instant::now() + Duration::from_secs(60);
            let error = client.get(&Url::parse(&url).unwrap(), &[], false, far).await.unwrap_err();
            assert_eq!((error.class, &*error.code), (FetchErrorClass::Transient, code), "{url}: {error}");
        }
    }

    #[test]
    fn named_networks_are_allowed() {
        let policy = NetworkPolicy::PublicOnly { allow: vec!["10.1.0.0/16".parse().unwrap()] };
        assert!(policy.allows("10.1.9.9".parse().unwrap()));
        assert!(!policy.allows("10.2.0.1".parse().unwrap()));
        assert!(NetworkPolicy::Any.allows("127.0.0.1".parse().unwrap()));
    }
}
