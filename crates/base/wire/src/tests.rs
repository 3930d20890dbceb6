//! Lengths as claimed, and damage refused.

use crate::*;

/// A length that is computed otherwise than written would shift everything after it.
#[test]
fn numbers_have_the_length_they_claim() {
    for shift in 0..64 {
        for number in [1 << shift, (1 << shift) - 1, u64::MAX >> shift] {
            let mut buf = Vec::new();
            put_varint(&mut buf, number);
            assert_eq!(buf.len(), varint_len(number));
            assert_eq!(read_varint(&buf, &mut 0), Some(number));
            buf.clear();
            put_number(&mut buf, 1, number);
            assert_eq!(buf.len(), number_len(number));
            let want = (number != 0).then_some(Ok((1, Value::Number(number))));
            assert_eq!(Fields::new(&buf).next(), want);
        }
    }
    for len in [0, 127, 128, 20_000] {
        let mut buf = Vec::new();
        put_bytes(&mut buf, 15, &vec![7; len]);
        assert_eq!(buf.len(), bytes_len(len));
        let want = (15, Value::Bytes(&[7; 20_000][..len]));
        assert_eq!(Fields::new(&buf).next(), Some(Ok(want)));
    }
}

/// A number of zero is there when it was asked for.
#[test]
fn zero_can_be_present() {
    let mut buf = Vec::new();
    put_present_number(&mut buf, 2, 0);
    assert_eq!(buf, [0x10, 0]);
}

/// Lengths from a peer or a damaged disk must not be believed.
#[test]
fn damage_is_an_error() {
    for bytes in [
        &b"\x0a\x05abc"[..],
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x08",
        b"\x0b",
        b"\x09abc",
        b"\x00\x00",
        &[0xff; 12],
    ] {
        let found: Vec<_> = Fields::new(bytes).collect();
        assert_eq!(found, [Err(BadField { offset: 0 })]);
    }
    let second: Vec<_> = Fields::new(b"\x08\x01\x08").collect();
    assert_eq!(
        second,
        [Ok((1, Value::Number(1))), Err(BadField { offset: 2 })]
    );
    assert_eq!(Fields::new(b"").next(), None);
}
