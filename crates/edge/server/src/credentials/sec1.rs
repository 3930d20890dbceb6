//! Private keys of elliptic curves in the form that is older than PKCS #8 (`EC PRIVATE KEY`), which Go
//! reads and the library does not: put into the newer form's wrapping.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::Algorithm;

const BEGIN: &str = "-----BEGIN EC PRIVATE KEY-----";
const END: &str = "-----END EC PRIVATE KEY-----";

const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
const VERSION: [u8; 3] = [2, 1, 0];
/// The name of elliptic curves' keys, and those of two curves.
const EC: [u8; 9] = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384: &[u8] = &[6, 5, 0x2b, 0x81, 4, 0, 0x22];

/// The key of a file in the newer form; none when the file holds none in the older one.
pub(super) fn to_pkcs8(pem: &[u8], algorithm: Algorithm) -> Option<Vec<u8>> {
    let curve = match algorithm {
        Algorithm::ES256 => P256,
        Algorithm::ES384 => P384,
        _ => return None,
    };
    // Other blocks, as those with the parameters of the curve, may stand before it.
    let (_, rest) = std::str::from_utf8(pem).ok()?.split_once(BEGIN)?;
    let (text, _) = rest.split_once(END)?;
    let text: String = text.split_ascii_whitespace().collect();
    let key = STANDARD.decode(text).ok()?;
    let kind = value(SEQUENCE, &[&EC, curve])?;
    value(SEQUENCE, &[&VERSION, &kind, &value(OCTETS, &[&key])?])
}

/// Tag, length and content in DER; keys are shorter than 64 kB.
fn value(tag: u8, parts: &[&[u8]]) -> Option<Vec<u8>> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).ok()?;
    let mut value = vec![tag];
    match length.to_be_bytes() {
        [0, short @ 0..0x80] => value.push(short),
        [0, long] => value.extend([0x81, long]),
        both => {
            value.push(0x82);
            value.extend(both);
        }
    }
    value.extend(content);
    Some(value)
}
