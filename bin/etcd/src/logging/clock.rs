//! The moment of a line.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment since 1970 in UTC; moments before it do not occur in logs.
pub(super) fn now() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

/// A date and a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
}

/// Date and time of a second since 1970.
pub(super) fn civil(seconds: i64) -> Civil {
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    Civil {
        year,
        month,
        day,
        hour: time / 3600,
        minute: time / 60 % 60,
        second: time % 60,
    }
}

/// The Gregorian date of a day since 1970, counted in years that begin in March, so that the
/// leap day is the last one.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let leaps = day_of_era / 1460;
    let year_of_era = (day_of_era - leaps + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = match march_month {
        0..10 => march_month + 3,
        _ => march_month - 9,
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// The day since 1970 of a Gregorian date.
pub(super) fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let march_month = (month + 9) % 12;
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of several programs are merged by their moments.
    #[test]
    fn dates_around_leap_days() {
        for (seconds, shown) in [
            (0, (1970, 1, 1, 0, 0, 0)),
            (951_782_399, (2000, 2, 28, 23, 59, 59)),
            (951_782_400, (2000, 2, 29, 0, 0, 0)),
            (1_795_257_599, (2026, 11, 21, 10, 39, 59)),
            (-1, (1969, 12, 31, 23, 59, 59)),
        ] {
            let at = civil(seconds);
            assert_eq!(
                (at.year, at.month, at.day, at.hour, at.minute, at.second),
                shown
            );
            assert_eq!(
                day_of(at.year, at.month, at.day),
                seconds.div_euclid(86_400)
            );
        }
    }
}
