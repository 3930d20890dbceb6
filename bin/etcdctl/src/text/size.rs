//! Sizes for people: powers of 1000, two significant digits.

const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// Writes a number of bytes: `25 kB`, `2.1 GB`, `7 B`.
pub(crate) fn humanize(bytes: u64) -> String {
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut scale = 1_u64;
    while bytes / scale >= 1000 {
        unit += 1;
        scale *= 1000;
    }
    // Tenths, rounded half up; 128 bits because the sum may exceed 64.
    let tenths = (u128::from(bytes) * 10 + u128::from(scale) / 2) / u128::from(scale);
    if tenths < 100 {
        return format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]);
    }
    // A whole number is rounded from the tenths, halves to even, as Go's `%.0f` does.
    let (whole, rest) = (tenths / 10, tenths % 10);
    let up = rest > 5 || (rest == 5 && whole % 2 == 1);
    format!("{} {}", whole + u128::from(up), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operators compare these columns between members of both kinds.
    #[test]
    fn sizes_are_those_of_etcd() {
        for (bytes, text) in [
            (0, "0 B"),
            (9, "9 B"),
            (10, "10 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (24_576, "25 kB"),
            (20_480, "20 kB"),
            (1_500_000, "1.5 MB"),
            (2_147_483_648, "2.1 GB"),
            (999_999, "1000 kB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(humanize(bytes), text, "{bytes}");
        }
    }
}
