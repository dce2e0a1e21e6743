//! A text that is stored compressed where that makes it smaller, and read back bit for bit.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::Read as _;

use flate2::bufread::ZlibDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};

use crate::item::Value;

/// Below this many bytes a text stays as it is: it would become hardly smaller.
const MIN_BYTES: usize = 256;
/// The longest text that is unpacked, in bytes: no item of DynamoDB is longer, so none of ours ever was.
const MAX_UNPACKED_BYTES: u64 = 400 * 1_024;

/// A text in the form in which an item has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compact {
    /// As it is.
    Plain(String),
    /// Compressed, with a checksum of the text (zlib, RFC 1950).
    Deflated(Vec<u8>),
}

/// The stored bytes are not a compressed text, or one that is too long: somebody edited them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a compressed text of up to {MAX_UNPACKED_BYTES} bytes")]
pub struct Damaged;

impl Compact {
    /// The smaller form of a text.
    pub fn of(text: String) -> Compact {
        if text.len() < MIN_BYTES {
            return Compact::Plain(text);
        }
        // An eighth less pays for unpacking it.
        match deflated(text.as_bytes(), text.len() - text.len() / 8) {
            Some(bytes) => Compact::Deflated(bytes),
            None => Compact::Plain(text),
        }
    }

    /// The text.
    ///
    /// # Errors
    ///
    /// [`Damaged`] if it cannot be unpacked. Not more than 400 KB are, whatever the bytes would become.
    pub fn text(&self) -> Result<Cow<'_, str>, Damaged> {
        match self {
            Compact::Plain(text) => Ok(Cow::Borrowed(text)),
            Compact::Deflated(bytes) => {
                let mut text = String::new();
                let mut unpacked = ZlibDecoder::new(bytes.as_slice()).take(MAX_UNPACKED_BYTES + 1);
                let length = unpacked.read_to_string(&mut text).map_err(|_| Damaged)?;
                if u64::try_from(length).is_ok_and(|length| length <= MAX_UNPACKED_BYTES) {
                    Ok(Cow::Owned(text))
                } else {
                    Err(Damaged)
                }
            }
        }
    }

    /// The attribute's value.
    pub fn to_value(&self) -> Value {
        match self {
            Compact::Plain(text) => Value::Text(text.clone()),
            Compact::Deflated(bytes) => Value::Bytes(bytes.clone()),
        }
    }
}

/// The bytes compressed; none if that takes more than `most`.
fn deflated(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    thread_local! {
        // Its tables take hundreds of kilobytes: a new one for each decision would cost more than the compressing.
        static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::default(), true));
    }
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        // No more than its capacity is written.
        let mut deflated = Vec::with_capacity(most);
        let status = compress.compress_vec(bytes, &mut deflated, FlushCompress::Finish);
        (matches!(status, Ok(Status::StreamEnd)) && deflated.len() <= most).then_some(deflated)
    })
}

#[cfg(test)]
mod tests {
    use flate2::bufread::ZlibEncoder;

    use super::*;

    fn deflated(text: &str) -> Compact {
        let mut bytes = Vec::new();
        ZlibEncoder::new(text.as_bytes(), Compression::best()).read_to_end(&mut bytes).unwrap();
        Compact::Deflated(bytes)
    }

    #[test]
    fn every_text_reads_back_bit_for_bit() {
        let rules: String = (0..40).map(|n| format!(r#"{{"rule":"rule-{n}","ended":"pass"}},"#)).collect();
        for text in ["", "a", "ü\u{0}\u{1f600}", &"ü".repeat(5_000), &rules] {
            assert_eq!(Compact::of(text.to_owned()).text().unwrap(), text);
        }
        let Compact::Deflated(bytes) = Compact::of(rules.clone()) else { panic!("it is smaller compressed") };
        assert!(bytes.len() * 4 < rules.len(), "{} of {}", bytes.len(), rules.len());
    }

    #[test]
    fn a_text_that_would_not_be_smaller_stays_as_it_is() {
        let short = "a".repeat(MIN_BYTES - 1);
        assert_eq!(Compact::of(short.clone()), Compact::Plain(short));
        // Each of the 128 characters of ASCII as likely as the others: they need seven bits, and their table the rest.
        let mut state = 1_u32;
        let noise: String = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from_u32(state >> 25).unwrap_or('x')
        })
        .take(300)
        .collect();
        assert_eq!(Compact::of(noise.clone()), Compact::Plain(noise));
    }

    #[test]
    fn unpacking_is_bounded() {
        let longest = "a".repeat(400 * 1_024);
        assert_eq!(deflated(&longest).text().unwrap(), longest);
        // Ten megabytes from ten kilobytes.
        let bomb = deflated(&"a".repeat(10_000_000));
        assert_eq!(bomb.text(), Err(Damaged));
    }

    /// Without a checksum some of these would become another text, such as another amount.
    #[test]
    fn a_changed_byte_is_noticed_wherever_it_stands() {
        let rules: String = (0..40).map(|n| format!(r#"{{"amount":{n}.50,"to":"DE"}},"#)).collect();
        let Compact::Deflated(whole) = Compact::of(rules) else { panic!("it is compressed") };
        for at in 2..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            assert_eq!(Compact::Deflated(bytes).text(), Err(Damaged), "byte {at} of {}", whole.len());
        }
    }

    #[test]
    fn bytes_that_are_no_compressed_text_are_damaged() {
        let Compact::Deflated(whole) = deflated(&"abc".repeat(200)) else { panic!("it is compressed") };
        let cut = whole[..whole.len() - 2].to_vec();
        let mut not_utf8 = Vec::new();
        ZlibEncoder::new([0xff_u8; 300].as_slice(), Compression::best()).read_to_end(&mut not_utf8).unwrap();
        for bytes in [vec![], b"not compressed".to_vec(), cut, not_utf8] {
            assert_eq!(Compact::Deflated(bytes.clone()).text(), Err(Damaged), "{bytes:?}");
        }
    }
}
