//! Whole numbers in all the spellings that JSON has for them.

/// Wide enough for every number of the API.
pub(super) type Number = i128;

/// The largest exponent that can matter.
const EXPONENT_MAX: i32 = 40;

/// A number written as a string: digits, perhaps with a fraction or an exponent, but whole.
pub(super) fn of_text(text: &str) -> Option<Number> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (is_negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    let is_padded = whole.len() > 1 && whole.starts_with('0');
    let digits = || whole.bytes().chain(fraction.bytes());
    if whole.is_empty() || is_padded || !digits().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let fraction_len = i32::try_from(fraction.len()).ok()?;
    let scaled = scale(digits(), exponent.checked_sub(fraction_len)?)?;
    Some(if is_negative { -scaled } else { scaled })
}

/// The digits times ten to a power, if that is whole and fits.
fn scale(digits: impl Iterator<Item = u8>, power: i32) -> Option<Number> {
    let mut digits: Vec<u8> = digits.skip_while(|digit| *digit == b'0').collect();
    let mut power = power;
    while power < 0 && digits.last() == Some(&b'0') {
        digits.pop();
        power += 1;
    }
    if digits.is_empty() {
        return Some(0);
    }
    if !(0..=EXPONENT_MAX).contains(&power) {
        return None;
    }
    let mut number: Number = 0;
    for digit in digits {
        number = number
            .checked_mul(10)?
            .checked_add(Number::from(digit - b'0'))?;
    }
    for _ in 0..power {
        number = number.checked_mul(10)?;
    }
    Some(number)
}

/// A number with a fraction or an exponent that is whole all the same.
pub(super) fn of_float(value: f64) -> Option<Number> {
    // Beyond this a float says nothing about its last digits, and no number of the API is larger.
    const LIMIT: f64 = 1e20;
    (value.fract() == 0.0 && value.abs() < LIMIT).then_some(value as Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clients in dynamic languages write large numbers in every way.
    #[test]
    fn spellings() {
        for (text, want) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("9223372036854775807", Some(i64::MAX.into())),
            ("-9223372036854775808", Some(i64::MIN.into())),
            ("1e3", Some(1000)),
            ("1.50E1", Some(15)),
            ("100e-2", Some(1)),
            ("0e999999999", Some(0)),
            ("1.5", None),
            ("1e-1", None),
            ("1e99", None),
            ("", None),
            ("-", None),
            ("01", None),
            ("1.", None),
            (".5", None),
            (" 1", None),
            ("+1", None),
            ("0x10", None),
            ("1e", None),
            ("1e99999999999", None),
        ] {
            assert_eq!(of_text(text), want, "{text}");
        }
        assert_eq!(of_float(1e3), Some(1000));
        assert_eq!(of_float(0.5), None);
        assert_eq!(of_float(f64::INFINITY), None);
    }
}
