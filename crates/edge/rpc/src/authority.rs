//! Hosts that are none, out of the way of the HTTP/2 library.
//!
//! etcd's Go client 3.5.0 says `#initially=[http://…]` where a call names its host, and clients of
//! sockets of a file system may say the path. Go's server takes any text; the library here refuses
//! such a call before anybody has seen it. So the field gets another name of the same length, which
//! nobody reads: one byte, the tables that both sides keep of the fields stay equal, and what was
//! written compressed stays as it is. A client that names a host with its first call is not looked
//! at again.

use crate::frames::{Frames, HEADERS};

const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
const PRIORITY_BYTES: usize = 5;

/// The library's table begins with `:authority`, and has `set-cookie` in its 55th place.
const AUTHORITY: usize = 1;
/// A field that is kept in the table, with its name by place.
const KEPT_AUTHORITY: u8 = 0x40 | 1;
const KEPT_COOKIE: u8 = 0x40 | 55;
/// Integers that are longer say nothing sensible.
const INTEGER_BYTES_MAX: usize = 4;

/// Looks at the hosts that one connection's client names.
#[derive(Default)]
pub(crate) struct Authorities {
    frames: Frames,
    /// Whether one was hidden: its field is named again when it has left the table.
    is_odd: bool,
}

impl Authorities {
    /// Looks at what was read next, and hides what is no host; whether to go on looking.
    pub(crate) fn follow(&mut self, bytes: &mut [u8]) -> bool {
        let mut at = 0;
        loop {
            let mut rest = &bytes[at..];
            let head = self.frames.next(&mut rest);
            at = bytes.len() - rest.len();
            let Some(head) = head else {
                return true;
            };
            if head.kind == HEADERS {
                let end = bytes.len().min(at + head.length);
                self.is_odd |= hide(fields(&mut bytes[at..end], head.flags));
                if !self.is_odd {
                    return false;
                }
            }
        }
    }
}

/// The fields in the payload of a frame that opens a call.
fn fields(payload: &mut [u8], flags: u8) -> &mut [u8] {
    let padding = usize::from(flags & PADDED != 0);
    let priority = usize::from(flags & PRIORITY != 0) * PRIORITY_BYTES;
    payload.get_mut(padding + priority..).unwrap_or_default()
}

/// Gives a host that is none another name; whether there was one.
fn hide(fields: &mut [u8]) -> bool {
    let Some(at) = odd_authority(fields) else {
        return false;
    };
    fields[at] = KEPT_COOKIE;
    true
}

/// Where the field begins that names a host which is none.
fn odd_authority(fields: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let begin = at;
        let first = *fields.get(at)?;
        let name_bits = match first {
            0x80.. => {
                integer(fields, &mut at, 7)?;
                continue;
            }
            0x40.. => 6,
            0x20.. => {
                integer(fields, &mut at, 5)?;
                continue;
            }
            _ => 4,
        };
        let name = integer(fields, &mut at, name_bits)?;
        if name == 0 {
            pass_text(fields, &mut at)?;
        }
        if name == AUTHORITY {
            return (first == KEPT_AUTHORITY && is_odd(fields.get(at..)?)).then_some(begin);
        }
        pass_text(fields, &mut at)?;
    }
}

/// Whether a text begins as no host does: with `#`, `/` or `%`.
fn is_odd(text: &[u8]) -> bool {
    match *text {
        [length, first, second, ..] if length & 0x80 != 0 => {
            // Compressed, they are of 12, 6 and 6 bits.
            (first, second >> 4) == (0xff, 0xa) || matches!(first >> 2, 0x18 | 0x15)
        }
        [_, first, ..] => matches!(first, b'#' | b'/' | b'%'),
        _ => false,
    }
}

fn pass_text(fields: &[u8], at: &mut usize) -> Option<()> {
    let length = integer(fields, at, 7)?;
    *at = at.checked_add(length)?;
    Some(())
}

/// An integer that begins in the lowest bits of a byte.
fn integer(fields: &[u8], at: &mut usize, bits: u32) -> Option<usize> {
    let most = (1 << bits) - 1;
    let mut value = usize::from(*fields.get(*at)?) & most;
    *at += 1;
    if value < most {
        return Some(value);
    }
    for place in 0..INTEGER_BYTES_MAX {
        let byte = usize::from(*fields.get(*at)?);
        *at += 1;
        value += (byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{frames::frame, prefixed::PREFACE};

    /// `:method: POST`, `:scheme: http`, a long `:path`, a field with a name of its own; then a host.
    fn call(host: &[u8]) -> Vec<u8> {
        let path = [b"/".as_slice(), &[b'p'; 200]].concat();
        let named = [&[0x40, 1, b'n', 1, b'v'], [0x41].as_slice()].concat();
        let host = [&[host.len() as u8], host].concat();
        [&[0x83, 0x86, 0x45, 0x7f, 74], &*path, &named, &*host].concat()
    }

    fn check(call: &[u8], is_odd: bool) {
        let mut fields = call.to_vec();
        assert_eq!(hide(&mut fields), is_odd, "{call:?}");
        let changed: Vec<_> = (0..call.len())
            .filter(|&at| fields[at] != call[at])
            .map(|at| fields[at])
            .collect();
        let want: &[u8] = if is_odd { &[KEPT_COOKIE] } else { &[] };
        assert_eq!(changed, want, "{call:?}");
    }

    #[test]
    fn only_hosts_that_are_none_are_hidden() {
        for host in ["#initially=[http://a]", "/run/etcd", "%2Frun%2Fetcd"] {
            check(&call(host.as_bytes()), true);
        }
        for host in ["localhost:2379", "[::1]:2379", "a", ""] {
            check(&call(host.as_bytes()), false);
        }
    }

    /// As Go writes them: `#initially=[`, `/run`, `%2Frun`, `localhost`.
    #[test]
    fn compressed_hosts_are_read() {
        let check = |text: &[u8], is_odd| {
            let length = 0x80 | text.len() as u8;
            check(&[&[0x41, length], text].concat(), is_odd);
        };
        check(
            &[
                0xff, 0xa3, 0x54, 0x64, 0x98, 0x74, 0x51, 0xea, 0x0f, 0xfd, 0xff,
            ],
            true,
        );
        check(&[0x62, 0xcb, 0x6a], true);
        check(&[0x54, 0x58, 0x6c, 0xb6, 0xaf], true);
        check(&[0xa0, 0xe4, 0x1d, 0x13, 0x9d, 0x09], false);
    }

    /// Nothing that a client sends is believed.
    #[test]
    fn nonsense_is_passed_over() {
        for nonsense in [
            &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff][..],
            &[0x45, 0x7f, 0xff, 0xff, 0xff, 0x7f, 1],
            &[0x41],
            &[0x41, 0x85, 0xff],
            &[0x01, 1, b'#'],
            &[],
        ] {
            check(nonsense, false);
        }
    }

    /// The first call decides; padding and priority are passed over.
    #[test]
    fn the_first_call_decides() {
        let odd = call(b"#initially=[http://a]");
        let padded = [&[3][..], &[0; PRIORITY_BYTES], &odd, &[0; 3]].concat();
        let begin = [PREFACE, &frame(4, 0, 0, &[])].concat();
        for (flags, payload, goes_on) in [
            (4, odd, true),
            (4 | PADDED | PRIORITY, padded, true),
            (4, call(b"localhost:2379"), false),
        ] {
            let mut bytes = [&*begin, &frame(HEADERS, flags, 1, &payload)].concat();
            let before = bytes.clone();
            let mut authorities = Authorities::default();
            assert!(authorities.follow(&mut bytes[..10]));
            assert_eq!(authorities.follow(&mut bytes[10..]), goes_on);
            assert_eq!(bytes != before, goes_on);
            if goes_on {
                assert!(authorities.follow(&mut frame(HEADERS, 4, 3, &[0x83, 0xbe])));
            }
        }
    }
}
