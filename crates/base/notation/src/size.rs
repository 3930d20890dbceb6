//! Sizes for people: powers of 1000 and two digits.

const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// The size with its unit: `37 kB`, `2.1 GB`, `7 B`.
#[must_use]
pub fn human(bytes: u64) -> String {
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut scale = 1_u64;
    while bytes / scale >= 1000 {
        scale *= 1000;
        unit += 1;
    }
    // Tenths, rounded half up; above ten the tenths are rounded away.
    let tenths = (u128::from(bytes) * 10 + u128::from(scale) / 2) / u128::from(scale);
    if tenths < 100 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", round_half_even(tenths), UNITS[unit])
    }
}

/// Tenths to wholes, as a float without decimals is printed.
fn round_half_even(tenths: u128) -> u128 {
    let whole = tenths / 10;
    match tenths % 10 {
        0..5 => whole,
        5 => whole + whole % 2,
        _ => whole + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of the reference.
    #[test]
    fn matches_etcdutl() {
        for (bytes, text) in [
            (0, "0 B"),
            (9, "9 B"),
            (10, "10 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9949, "9.9 kB"),
            (9950, "10 kB"),
            (24_576, "25 kB"),
            (36_864, "37 kB"),
            (20_480, "20 kB"),
            (999_999, "1000 kB"),
            (1_500_000, "1.5 MB"),
            (2_147_483_648, "2.1 GB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(human(bytes), text, "{bytes}");
        }
    }
}
