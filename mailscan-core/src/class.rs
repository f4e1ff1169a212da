//! Classes of addresses: what else a finding is, and which classes a person wants to see.
//!
//! Extraction marks what only the place of an address shows ([`crate::extract::Finding`]); [`Classes::of`] adds what the
//! address itself shows. Commands and jobs carry a [`ClassFilter`], and stores keep the classes of every row. Nothing
//! here looks at a document.

mod domains;
pub(crate) mod rules;

use std::fmt;

use crate::address::Address;

/// A kind of address that some readers want and others do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Class {
    /// Of an example: a name that RFC 2606, RFC 6761 or RFC 6762 reserves, or that a template asks to be replaced.
    Placeholder,
    /// Of a role rather than a person: those of RFC 2142, such as `postmaster`, and the common ones beside them.
    Role,
    /// At a provider of throw-away addresses.
    Disposable,
    /// A Message-ID, a Content-ID or a reference to one, which only looks like an address.
    MessageId,
    /// At a domain that cannot be in public use: its top-level domain does not exist, or it is a single label.
    UnknownDomain,
    /// At an address literal: `ann@[192.0.2.1]`, `ann@[IPv6:2001:db8::1]`, `ann@192.0.2.1`.
    Literal,
    /// Of a program's making: a long hexadecimal key or host, as in a Sentry DSN, an extension of SSH
    /// (`aes128-gcm@openssh.com`), or a service of Kerberos (`HTTP/web.corp.com@CORP.COM`).
    Machine,
    /// Rather the name of a file: `backup@home.zip`, `module@2.rs`.
    FileName,
    /// On the list of those who do not want to be collected ([`crate::suppression`]): only counted, never a class of what
    /// is kept, and no filter includes it.
    Suppressed,
}

impl Class {
    /// All classes.
    pub const ALL: &'static [Self] = &[
        Self::Placeholder,
        Self::Role,
        Self::Disposable,
        Self::MessageId,
        Self::UnknownDomain,
        Self::Literal,
        Self::Machine,
        Self::FileName,
        Self::Suppressed,
    ];

    /// A stable short name, for stores and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Placeholder => "placeholder",
            Self::Role => "role",
            Self::Disposable => "disposable",
            Self::MessageId => "message_id",
            Self::UnknownDomain => "unknown_domain",
            Self::Literal => "literal",
            Self::Machine => "machine",
            Self::FileName => "file_name",
            Self::Suppressed => "suppressed",
        }
    }

    /// The class with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| class.as_str() == name)
    }

    /// The class's bit in [`Classes::bits`], which never changes.
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Classes(u16);

impl Classes {
    /// No class, which is what most addresses have.
    pub const NONE: Self = Self(0);
    /// Every class.
    pub const ALL: Self = Self((1 << Class::ALL.len()) - 1);

    /// The classes that the address itself shows; [`Class::MessageId`] and [`Class::UnknownDomain`] are never among
    /// them.
    ///
    /// ```
    /// use mailscan_core::{address::Address, class::{Class, Classes}};
    ///
    /// let address = Address::new("info", "example.org").expect("it is short and plain");
    /// assert_eq!(Classes::of(&address).to_string(), "placeholder,role");
    /// assert!(Classes::of(&address).contains(Class::Role));
    /// ```
    pub fn of(address: &Address) -> Self {
        rules::classes(address)
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, class: Class) -> Self {
        Self(self.0 | class.bit())
    }

    /// All that are in one of the two.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// All that are in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the class is among them.
    pub const fn contains(self, class: Class) -> bool {
        self.0 & class.bit() != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The classes, in the order of [`Class::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Class> {
        Class::ALL.iter().copied().filter(move |class| self.contains(*class))
    }

    /// A number that stands for the set in stores, and means the same in every version.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The set that [`bits`](Self::bits) gave. Bits that this version has no class for are dropped.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::ALL.0)
    }
}

impl FromIterator<Class> for Classes {
    fn from_iter<I: IntoIterator<Item = Class>>(classes: I) -> Self {
        classes.into_iter().fold(Self::NONE, Self::with)
    }
}

/// The names, parted by commas.
impl fmt::Display for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, class) in self.iter().enumerate() {
            write!(f, "{}{class}", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

/// Which addresses are left out for their classes. [`Default`] leaves out all of [`ClassFilter::LEFT_OUT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClassFilter {
    included: Classes,
}

impl ClassFilter {
    /// The classes that are left out unless they are included.
    pub const LEFT_OUT: Classes = Classes::NONE
        .with(Class::Placeholder)
        .with(Class::MessageId)
        .with(Class::UnknownDomain)
        .with(Class::Literal)
        .with(Class::Machine)
        .with(Class::FileName);

    /// The classes that a filter can include.
    pub const CLASSES: Classes = Self::LEFT_OUT.with(Class::Role).with(Class::Disposable);

    /// Lets every address pass.
    pub const fn all() -> Self {
        Self { included: Classes::ALL }
    }

    /// The default filter, but for addresses of these classes.
    pub const fn including(included: Classes) -> Self {
        Self { included }
    }

    /// The classes that were asked for beyond the default.
    pub const fn included(self) -> Classes {
        self.included
    }

    /// The filter that a list of class names describes, or `all`.
    ///
    /// # Errors
    /// A line for people when a name is none of a class.
    pub fn parse(names: &str) -> Result<Self, String> {
        let mut included = Classes::NONE;
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            included = match Class::parse(name).filter(|class| *class != Class::Suppressed) {
                Some(class) => included.with(class),
                None if name == "all" => Classes::ALL,
                None => return Err(format!("there is no class `{name}`: give all or some of {}", Self::CLASSES)),
            };
        }
        Ok(Self { included })
    }

    /// The class for which an address is left out; `None` when it passes.
    ///
    /// A Message-ID is judged as one whatever else it is. Any other address passes as soon as one of its classes is
    /// included, so that `ann@localhost` comes back as a placeholder and as an unknown domain.
    pub fn left_out(self, classes: Classes) -> Option<Class> {
        if classes.contains(Class::MessageId) {
            return (!self.included.contains(Class::MessageId)).then_some(Class::MessageId);
        }
        let unwanted = classes.intersection(Self::LEFT_OUT);
        if unwanted.intersection(self.included).is_empty() { unwanted.iter().next() } else { None }
    }
}

/// What [`parse`](ClassFilter::parse) reads: `all`, or the names of the classes included, parted by commas.
impl fmt::Display for ClassFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.included == Classes::ALL { f.write_str("all") } else { self.included.fmt(f) }
    }
}

/// How many addresses were left out, by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut([u64; Class::ALL.len()]);

impl LeftOut {
    /// None.
    pub const NONE: Self = Self([0; Class::ALL.len()]);

    /// Counts `count` more of a class.
    pub fn add(&mut self, class: Class, count: u64) {
        let of = &mut self.0[class as usize];
        *of = of.saturating_add(count);
    }

    /// Adds what another count holds.
    pub fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(class, count)| self.add(class, count));
    }

    /// How many of a class.
    pub fn of(&self, class: Class) -> u64 {
        self.0[class as usize]
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |total, count| total.saturating_add(*count))
    }

    /// The classes of which there are any, each with its number.
    pub fn iter(&self) -> impl Iterator<Item = (Class, u64)> {
        Class::ALL.iter().copied().map(|class| (class, self.of(class))).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &str) -> Classes {
        names.split_terminator(',').map(|name| Class::parse(name).unwrap()).collect()
    }

    #[test]
    fn names_and_bits_are_stable() {
        let names = "placeholder,role,disposable,message_id,unknown_domain,literal,machine,file_name,suppressed";
        assert_eq!(Classes::ALL.to_string(), names);
        let bits: Vec<u16> = Class::ALL.iter().copied().map(|class| Classes::NONE.with(class).bits()).collect();
        assert_eq!(bits, [1, 2, 4, 8, 16, 32, 64, 128, 256], "stores hold these");
        assert_eq!(Classes::from_bits(0xfe09), set("placeholder,message_id"));
    }

    #[test]
    fn a_filter_is_read_as_it_is_written() {
        for (typed, written) in [
            ("", ""),
            ("all", "all"),
            ("role, machine", "role,machine"),
            ("literal,all", "all"),
            ("machine,", "machine"),
        ] {
            let filter = ClassFilter::parse(typed).unwrap();
            assert_eq!(filter.to_string(), written, "{typed}");
            assert_eq!(ClassFilter::parse(written), Ok(filter));
        }
        let suppressed = ClassFilter::parse("suppressed").unwrap_err();
        assert!(suppressed.ends_with("literal,machine,file_name"), "{suppressed}");
        assert!(ClassFilter::parse("roles").unwrap_err().starts_with("there is no class `roles`: give all or some of"));
    }

    #[test]
    fn what_is_left_out_and_for_which_class() {
        let cases = [
            ("", "", None),
            ("role,disposable", "", None),
            ("placeholder", "", Some(Class::Placeholder)),
            ("role,unknown_domain", "", Some(Class::UnknownDomain)),
            ("role,unknown_domain", "role", Some(Class::UnknownDomain)),
            ("placeholder,unknown_domain", "unknown_domain", None),
            ("placeholder,unknown_domain", "placeholder", None),
            ("placeholder,message_id", "placeholder", Some(Class::MessageId)),
            ("placeholder,message_id", "message_id", None),
            ("placeholder,message_id", "all", None),
        ];
        for (classes, included, expected) in cases {
            let filter = ClassFilter::parse(included).unwrap();
            assert_eq!(filter.left_out(set(classes)), expected, "{classes} with {included} included");
        }
    }
}
