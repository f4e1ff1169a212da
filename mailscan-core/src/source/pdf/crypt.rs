//! Encrypted files that anybody may read: their password is empty, as it is where a file only asks not to be printed or changed
//! (ISO 32000-2, section 7.6).
//!
//! Takes what a file says of its encryption and gives what opens its strings and streams; nothing where it takes a password
//! that is not known, or is encrypted in a way of its own. No password is tried but the empty one.

use std::borrow::Cow;

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit, StreamCipher};
use aes::{Aes128, Aes256};
use md5::{Digest, Md5};
use rc4::Rc4;
use sha2::{Sha256, Sha384, Sha512};

use super::object::{Dictionary, Object, Reference};

/// What stands behind a password that is shorter (algorithm 2).
const PADDING: [u8; 32] = *b"\x28\xBF\x4E\x5E\x4E\x75\x8A\x41\x64\x00\x4E\x56\xFF\xFA\x01\x08\x2E\x2E\x00\xB6\xD0\x68\x3E\x80\x2F\x0C\xA9\xFE\x64\x53\x69\x7A";
/// The length of a block of AES.
const BLOCK: usize = 16;

/// What opens the strings and streams of a file.
#[derive(Debug)]
pub(super) struct Key {
    key: Vec<u8>,
    strings: Method,
    streams: Method,
    /// Whether metadata are encrypted like everything else.
    metadata: bool,
}

/// How something is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Plain,
    Rc4,
    /// With a key for each object.
    Aes128,
    Aes256,
}

impl Key {
    /// The key of a file that may be read without a password. `id` is the first part of the file's identifier.
    pub(super) fn of_nobody(encryption: &Dictionary, id: &[u8]) -> Option<Self> {
        let number = |name| encryption.get(name).and_then(Object::count);
        if !encryption.says("Filter", "Standard") {
            return None;
        }
        let version = number("V")?;
        let (strings, streams) = match version {
            1 | 2 => (Method::Rc4, Method::Rc4),
            4 | 5 => (method(encryption, "StrF")?, method(encryption, "StmF")?),
            _ => return None,
        };
        let metadata = encryption.get("EncryptMetadata") != Some(&Object::False);
        let length = match version {
            1 => 5,
            4 => 16,
            _ => number("Length").unwrap_or(40) / 8,
        };
        let key = match number("R")? {
            revision @ 2..=4 => old_key(encryption, id, revision, length.clamp(5, 16), metadata)?,
            revision @ 5..=6 => new_key(encryption, revision)?,
            _ => return None,
        };
        Some(Self { key, strings, streams, metadata })
    }

    /// Opens the strings in an object.
    pub(super) fn open_strings(&self, object: &mut Object, name: (Reference, u16)) {
        match object {
            Object::String(string) => *string = self.opened(string, self.strings, name),
            Object::Array(array) => array.iter_mut().for_each(|object| self.open_strings(object, name)),
            Object::Dictionary(dictionary) => {
                dictionary.values_mut().for_each(|object| self.open_strings(object, name));
            }
            Object::Stream(stream) => stream.head.values_mut().for_each(|object| self.open_strings(object, name)),
            _ => {}
        }
    }

    /// Opens the bytes of a stream with this head.
    pub(super) fn open<'b>(&self, raw: &'b [u8], name: (Reference, u16), head: &Dictionary) -> Cow<'b, [u8]> {
        let is_plain = head.says("Type", "XRef") || (head.says("Type", "Metadata") && !self.metadata);
        match self.streams {
            Method::Plain => Cow::Borrowed(raw),
            _ if is_plain => Cow::Borrowed(raw),
            method => Cow::Owned(self.opened(raw, method, name)),
        }
    }

    fn opened(&self, bytes: &[u8], method: Method, (number, generation): (Reference, u16)) -> Vec<u8> {
        let of_object = |salt: &[u8]| {
            let mut hash = Md5::new();
            hash.update(&self.key);
            hash.update(&number.to_le_bytes()[..3]);
            hash.update(generation.to_le_bytes());
            hash.update(salt);
            hash.finalize()[..(self.key.len() + 5).min(16)].to_vec()
        };
        match method {
            Method::Plain => bytes.to_vec(),
            Method::Rc4 => rc4(&of_object(b""), bytes),
            Method::Aes128 => {
                Aes128::new_from_slice(&of_object(b"sAlT")).map_or_else(|_| Vec::new(), |aes| chained(&aes, bytes))
            }
            Method::Aes256 => Aes256::new_from_slice(&self.key).map_or_else(|_| Vec::new(), |aes| chained(&aes, bytes)),
        }
    }
}

/// The method of the filter that stands under a name.
fn method(encryption: &Dictionary, name: &str) -> Option<Method> {
    let filter = encryption.get(name).and_then(Object::name).unwrap_or(b"Identity");
    if filter == b"Identity" {
        return Some(Method::Plain);
    }
    let filter = encryption.get("CF")?.dictionary()?.named(filter)?.dictionary()?;
    match filter.get("CFM").and_then(Object::name)? {
        b"None" => Some(Method::Plain),
        b"V2" => Some(Method::Rc4),
        b"AESV2" => Some(Method::Aes128),
        b"AESV3" => Some(Method::Aes256),
        _ => None,
    }
}

/// The key of revisions 2 to 4 (algorithms 2, 4 and 5), if the password is empty.
fn old_key(encryption: &Dictionary, id: &[u8], revision: usize, length: usize, metadata: bool) -> Option<Vec<u8>> {
    let owner = encryption.get("O")?.string()?.get(..32)?;
    let user = encryption.get("U")?.string()?;
    let Object::Integer(permissions) = encryption.get("P")? else { return None };
    let mut hash = Md5::new();
    hash.update(PADDING);
    hash.update(owner);
    // As 32 bits, whether it is written with its sign or without.
    hash.update(&permissions.to_le_bytes()[..4]);
    hash.update(id);
    if revision == 4 && !metadata {
        hash.update([0xff; 4]);
    }
    let length = if revision == 2 { 5 } else { length };
    let mut key = hash.finalize().to_vec();
    if revision > 2 {
        for _ in 0..50 {
            key = Md5::digest(&key[..length]).to_vec();
        }
    }
    key.truncate(length);
    let is_right = if revision == 2 {
        rc4(&key, &PADDING) == user
    } else {
        let mut check = Md5::digest([&PADDING, id].concat()).to_vec();
        for round in 0..20 {
            let key: Vec<u8> = key.iter().map(|byte| byte ^ round).collect();
            check = rc4(&key, &check);
        }
        user.get(..16) == Some(&check)
    };
    is_right.then_some(key)
}

/// The key of revisions 5 and 6 (algorithms 2.A and 11), if the password is empty.
fn new_key(encryption: &Dictionary, revision: usize) -> Option<Vec<u8>> {
    let user = encryption.get("U")?.string()?;
    let (hash, to_check, to_open) = (user.get(..32)?, user.get(32..40)?, user.get(40..48)?);
    let hashed = |salt: &[u8]| if revision == 5 { Sha256::digest(salt).to_vec() } else { hardened(salt) };
    if hashed(to_check) != hash {
        return None;
    }
    let aes = Aes256::new_from_slice(&hashed(to_open)).ok()?;
    let mut key = encryption.get("UE")?.string()?.get(..32)?.to_vec();
    decrypt(&aes, &mut key, [0; BLOCK]);
    Some(key)
}

/// The hash of revision 6 (algorithm 2.B) of an empty password.
fn hardened(salt: &[u8]) -> Vec<u8> {
    let mut key = Sha256::digest(salt).to_vec();
    let mut round = 0;
    loop {
        let mut block = key.repeat(64);
        let Ok(aes) = Aes128::new_from_slice(&key[..BLOCK]) else { return key };
        let mut before: [u8; BLOCK] = std::array::from_fn(|at| key[BLOCK + at]);
        for part in block.as_chunks_mut::<BLOCK>().0 {
            part.iter_mut().zip(before).for_each(|(byte, before)| *byte ^= before);
            let mut encrypted = (*part).into();
            aes.encrypt_block(&mut encrypted);
            *part = encrypted.into();
            before = *part;
        }
        // As a number of 16 bytes modulo 3, to which each byte adds itself.
        key = match block[..BLOCK].iter().map(|byte| u32::from(*byte)).sum::<u32>() % 3 {
            0 => Sha256::digest(&block).to_vec(),
            1 => Sha384::digest(&block).to_vec(),
            _ => Sha512::digest(&block).to_vec(),
        };
        round += 1;
        let last = block.last().copied().map_or(0, u32::from);
        if round >= 64 && last + 32 <= round {
            key.truncate(32);
            return key;
        }
    }
}

fn rc4(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut opened = bytes.to_vec();
    match Rc4::new_from_slice(key) {
        Ok(mut cipher) => cipher.apply_keystream(&mut opened),
        Err(_) => opened.clear(),
    }
    opened
}

/// Opens what begins with its first block to chain with and ends with padding.
fn chained(aes: &impl BlockCipherDecrypt<BlockSize = aes::cipher::consts::U16>, bytes: &[u8]) -> Vec<u8> {
    let Some((first, rest)) = bytes.split_first_chunk::<BLOCK>() else { return Vec::new() };
    let mut opened = rest[..rest.len() / BLOCK * BLOCK].to_vec();
    decrypt(aes, &mut opened, *first);
    let padding = opened.last().copied().map_or(0, usize::from);
    if (1..=BLOCK).contains(&padding) {
        opened.truncate(opened.len() - padding);
    }
    opened
}

fn decrypt(
    aes: &impl BlockCipherDecrypt<BlockSize = aes::cipher::consts::U16>,
    bytes: &mut [u8],
    mut before: [u8; BLOCK],
) {
    for part in bytes.as_chunks_mut::<BLOCK>().0 {
        let encrypted = *part;
        let mut opened = encrypted.into();
        aes.decrypt_block(&mut opened);
        *part = opened.into();
        part.iter_mut().zip(before).for_each(|(byte, before)| *byte ^= before);
        before = encrypted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_lengths_and_paddings_lose_nothing_else() {
        let aes = Aes128::new_from_slice(&[0; 16]).unwrap();
        assert_eq!(chained(&aes, b"short"), b"");
        assert_eq!(chained(&aes, &[0; 16]), b"");
        assert!(chained(&aes, &[7; 40]).len() <= 16);
        assert_eq!(rc4(b"Key", b"\xBB\xF3\x16\xE8\xD9\x40\xAF\x0A\xD3"), b"Plaintext");
        assert_eq!(rc4(b"", b"text"), b"");
    }

    #[test]
    fn what_says_too_little_has_no_key() {
        let mut encryption = Dictionary::default();
        assert!(Key::of_nobody(&encryption, b"").is_none());
        encryption.insert(b"Filter".to_vec(), Object::Name(b"Standard".to_vec()));
        for (name, number) in [("V", 2), ("R", 3), ("P", -4), ("Length", 1 << 40)] {
            encryption.insert(name.as_bytes().to_vec(), Object::Integer(number));
            assert!(Key::of_nobody(&encryption, b"").is_none(), "{name}");
        }
        for name in ["O", "U"] {
            encryption.insert(name.as_bytes().to_vec(), Object::String(vec![0; 32]));
            assert!(Key::of_nobody(&encryption, b"").is_none(), "another password");
        }
    }
}
