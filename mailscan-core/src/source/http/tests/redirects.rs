//! Redirects: what they say of the host that answers with them, and of the one that they lead to.

use super::*;

fn found(location: &[u8]) -> Vec<u8> {
    let head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\nLocation: ";
    [&head[..], location, b"\r\n\r\n"].concat()
}

const SLOW_DOWN: &[u8] =
    b"HTTP/1.1 429 Slow Down\r\nRetry-After: 300\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_host_that_redirects_is_not_silent() {
    let target = Server::start(|_| ok("", b"page")).await;
    let location = target.url("/page").to_string();
    let server = Server::start(move |path| match path {
        "/go" => found(location.as_bytes()),
        "/broken" => Vec::new(),
        _ => MISSING.to_vec(),
    })
    .await;
    let (source, go, broken) = (source(), server.url("/go"), server.url("/broken"));
    // So many in a row, over such a time, are why a host is given up.
    for _ in 0..12 {
        let error = read(&source, broken.as_str(), budget()).await.unwrap_err();
        assert_eq!(&*error.code, "connection", "{error}");
        pass(Duration::from_secs(70)).await;
        let page = read(&source, go.as_str(), budget()).await.unwrap();
        assert_eq!(text(page).0, "page");
    }
}

#[tokio::test]
async fn redirects_within_a_host_do_not_hide_that_it_is_silent() {
    let server = Server::start(|path| match path {
        "/go" => found(b"/broken"),
        "/broken" => Vec::new(),
        _ => MISSING.to_vec(),
    })
    .await;
    let (source, go) = (source(), server.url("/go"));
    let mut said = Vec::new();
    for _ in 0..12 {
        said.push(read(&source, go.as_str(), budget()).await.unwrap_err().code);
        pass(Duration::from_secs(90)).await;
    }
    assert!(said[0] == "connection" && said[11] == "host-down", "{said:?}");
}

#[tokio::test]
async fn a_refusal_after_a_redirect_within_the_host_is_one_of_what_was_asked_for() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |path| match path {
        "/page" => found(b"/busy"),
        "/busy" if asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 => ok("", b"page"),
        "/busy" => SLOW_DOWN.to_vec(),
        _ => MISSING.to_vec(),
    })
    .await;
    let source = source();
    assert_eq!(text(read(&source, server.url("/page").as_str(), budget()).await.unwrap()).0, "page");
    let error = read(&source, server.url("/page").as_str(), budget()).await.unwrap_err();
    assert_eq!((error.class, error.status), (FetchErrorClass::Deferred, Some(429)), "{error}");
}

#[tokio::test]
async fn a_refusal_after_a_redirect_is_a_task_of_its_own() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let target = Server::start(move |path| match path {
        "/robots.txt" => MISSING.to_vec(),
        _ if asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 => ok("", b"page"),
        _ => SLOW_DOWN.to_vec(),
    })
    .await;
    let location = target.url("/page").to_string();
    let to = location.clone();
    let server = Server::start(move |path| match path {
        "/go" | "/goes" => found(to.as_bytes()),
        "/here" => ok("", b"here"),
        _ => MISSING.to_vec(),
    })
    .await;
    let source = source();
    assert_eq!(text(read(&source, server.url("/go").as_str(), budget()).await.unwrap()).0, "page");
    let fetched = read(&source, server.url("/goes").as_str(), budget()).await.unwrap();
    assert_eq!(fetched.discovered, [Discovered { work: Work::Page { url: location.clone() }, step: 0 }]);
    // The host that led there answers as before, and the other is left alone.
    assert_eq!(text(read(&source, server.url("/here").as_str(), budget()).await.unwrap()).0, "here");
    let error = read(&source, &location, budget()).await.unwrap_err();
    assert_eq!(error.class, FetchErrorClass::Deferred, "{error}");
}

#[tokio::test]
async fn bytes_of_an_old_charset_are_asked_for_as_they_came() {
    let server = Server::start(|path| match path {
        "/go" => found(b"/caf\xe9?x=\xe9"),
        "/goes" => found("/café".as_bytes()),
        "/caf%E9?x=%E9" => ok("", b"latin"),
        "/caf%C3%A9" => ok("", b"utf"),
        _ => MISSING.to_vec(),
    })
    .await;
    for (path, says) in [("/go", "latin"), ("/goes", "utf")] {
        assert_eq!(text(read(&source(), server.url(path).as_str(), budget()).await.unwrap()).0, says);
    }
}

#[tokio::test]
async fn a_sitemap_elsewhere_that_is_refused_is_a_task_of_its_own() {
    let target = Server::start(|path| match path {
        "/page" => ok("", b"page"),
        "/map.xml" => SLOW_DOWN.to_vec(),
        _ => MISSING.to_vec(),
    })
    .await;
    let location = target.url("/map.xml").to_string();
    let to = location.clone();
    let server =
        Server::start(move |path| if path == "/map.xml" { found(to.as_bytes()) } else { MISSING.to_vec() }).await;
    let (source, options) = (source(), JobOptions::default());
    // A host that has served is refused for its pace.
    read(&source, target.url("/page").as_str(), budget()).await.unwrap();
    let context =
        FetchContext { options: &options, budget: budget(), recall: Recall::NEVER, origin: &Origin::Operator };
    let (site, url) = (host_of(&server.base), server.url("/map.xml").to_string());
    let fetched = source.sitemap((&site, &url), &task_of(&url, 1), &context).await.unwrap();
    assert_eq!(fetched.discovered, [Discovered { work: Work::Sitemap { site, url: location }, step: 0 }]);
}

#[tokio::test]
async fn a_sitemap_that_redirects_again_and_again_has_an_end() {
    let server = Server::start(|path| match path.strip_prefix("/map.xml?") {
        Some(n) => found(format!("/map.xml?{}", n.parse::<u32>().unwrap() + 1).as_bytes()),
        None => MISSING.to_vec(),
    })
    .await;
    let (interval, patience) = (Duration::from_secs(60), Duration::from_secs(1));
    let pace = Pace { interval, patience, adapts: false, ..Pace::default() };
    let source = HttpSource::new(&ClientOptions::default(), pace).unwrap();
    let options = JobOptions::default();
    let context =
        FetchContext { options: &options, budget: budget(), recall: Recall::NEVER, origin: &Origin::Operator };
    let site = host_of(&server.base);
    let mut url = server.url("/map.xml?0").to_string();
    let mut left = 100;
    let error = loop {
        left -= 1;
        assert!(left > 0, "it goes on and on");
        match source.sitemap((&site, &url), &task_of(&url, 1), &context).await {
            Ok(fetched) => {
                let Work::Sitemap { url: next, .. } = &fetched.discovered[0].work else { panic!("no sitemap") };
                url.clone_from(next);
            }
            Err(error) if error.class == FetchErrorClass::Deferred => pass(interval).await,
            Err(error) => break error,
        }
    };
    assert_eq!((&*error.code, server.times_asked("/map.xml?11")), ("redirect-limit", 0));
}

#[tokio::test]
async fn a_chain_of_redirects_that_become_tasks_has_an_end() {
    let server = Server::start(|path| match path.strip_prefix("/r/") {
        Some(n) => {
            let next = n.parse::<u32>().unwrap() + 1;
            format!("HTTP/1.1 302 Found\r\nLocation: /r/{next}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .into_bytes()
        }
        None => MISSING.to_vec(),
    })
    .await;
    let (interval, patience) = (Duration::from_secs(60), Duration::from_secs(1));
    let source =
        HttpSource::new(&ClientOptions::default(), Pace { interval, patience, adapts: false, ..Pace::default() })
            .unwrap();
    let mut url = server.url("/r/0").to_string();
    let error = loop {
        match read(&source, &url, budget()).await {
            Ok(fetched) => {
                let Work::Page { url: next } = &fetched.discovered[0].work else { panic!("no page") };
                url.clone_from(next);
            }
            Err(error) if error.class == FetchErrorClass::Deferred => pass(interval).await,
            Err(error) => break error,
        }
    };
    assert_eq!(&*error.code, "redirect-limit");
    assert_eq!(server.times_asked("/r/10"), 1);
    assert_eq!(server.times_asked("/r/11"), 0);
}
