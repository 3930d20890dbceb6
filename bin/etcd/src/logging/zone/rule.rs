//! The rule at the end of a zone file, in POSIX notation: `CET-1CEST,M3.5.0,M10.5.0/3`.

use super::super::clock;

/// When summer time is, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    standard: i64,
    summer: Option<Summer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Summer {
    offset: i64,
    begin: Change,
    end: Change,
}

/// A day of the year and a second of that day, by the clock that held before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    day: Day,
    time: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// The week-th weekday of a month; the fifth is the last.
    OfMonth { month: i64, week: i64, weekday: i64 },
    /// From 1 to 365; the leap day is never counted.
    Julian(i64),
    /// From 0 to 365.
    OfYear(i64),
}

impl Rule {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = name(text)?;
        let standard = -offset(&mut rest)?;
        if rest.is_empty() {
            return Some(Self {
                standard,
                summer: None,
            });
        }
        rest = name(rest)?;
        let summer = match rest.starts_with(',') {
            true => standard + 3600,
            false => -offset(&mut rest)?,
        };
        let (begin, end) = rest.strip_prefix(',')?.split_once(',')?;
        let summer = Some(Summer {
            offset: summer,
            begin: change(begin)?,
            end: change(end)?,
        });
        Some(Self { standard, summer })
    }

    /// Seconds east of UTC at a moment.
    pub(super) fn offset(self, seconds: i64) -> i64 {
        let Some(summer) = self.summer else {
            return self.standard;
        };
        let year = clock::civil(seconds + self.standard).year;
        let begin = summer.begin.moment(year) - self.standard;
        let end = summer.end.moment(year) - summer.offset;
        let is_summer = match begin < end {
            true => (begin..end).contains(&seconds),
            false => !(end..begin).contains(&seconds),
        };
        if is_summer {
            summer.offset
        } else {
            self.standard
        }
    }
}

impl Change {
    /// Seconds since 1970 by the clock that held before.
    fn moment(self, year: i64) -> i64 {
        let first = clock::day_of(year, 1, 1);
        let is_leap = clock::day_of(year + 1, 1, 1) - first == 366;
        let day = match self.day {
            Day::Julian(day) if is_leap && day >= 60 => first + day,
            Day::Julian(day) => first + day - 1,
            Day::OfYear(day) => first + day,
            Day::OfMonth {
                month,
                week,
                weekday,
            } => nth_weekday(year, month, week, weekday),
        };
        day * 86_400 + self.time
    }
}

fn nth_weekday(year: i64, month: i64, week: i64, weekday: i64) -> i64 {
    let first = clock::day_of(year, month, 1);
    let next_month = match month {
        12 => clock::day_of(year + 1, 1, 1),
        _ => clock::day_of(year, month + 1, 1),
    };
    // 1970 began on a Thursday.
    let ahead = (weekday - (first + 4)).rem_euclid(7);
    let day = first + ahead + (week - 1) * 7;
    if day >= next_month { day - 7 } else { day }
}

/// What follows the name of a zone.
fn name(text: &str) -> Option<&str> {
    let end = match text.strip_prefix('<') {
        Some(quoted) => quoted.find('>')? + 2,
        None => text
            .find(|char: char| !char.is_ascii_alphabetic())
            .unwrap_or(text.len()),
    };
    (end >= 3).then(|| &text[end..])
}

/// Reads `[+-]hours[:minutes[:seconds]]` off the text's beginning.
fn offset(text: &mut &str) -> Option<i64> {
    let end = text.find(|char: char| !(char.is_ascii_digit() || matches!(char, '+' | '-' | ':')));
    let (own, rest) = text.split_at(end.unwrap_or(text.len()));
    *text = rest;
    time(own)
}

fn time(text: &str) -> Option<i64> {
    let (sign, text) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let mut units = [3600, 60, 1].into_iter();
    let mut sum = 0;
    for part in text.split(':') {
        sum += number(part, 0, 167)? * units.next()?;
    }
    Some(sign * sum)
}

fn change(text: &str) -> Option<Change> {
    let (day, at) = text.split_once('/').unwrap_or((text, "2"));
    let day = if let Some(of_month) = day.strip_prefix('M') {
        let mut parts = of_month.split('.');
        Day::OfMonth {
            month: number(parts.next()?, 1, 12)?,
            week: number(parts.next()?, 1, 5)?,
            weekday: number(parts.next()?, 0, 6)?,
        }
    } else if let Some(julian) = day.strip_prefix('J') {
        Day::Julian(number(julian, 1, 365)?)
    } else {
        Day::OfYear(number(day, 0, 365)?)
    };
    Some(Change {
        day,
        time: time(at)?,
    })
}

fn number(text: &str, min: i64, max: i64) -> Option<i64> {
    let number = text.parse().ok()?;
    (min..=max).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An hour too much or too little makes logs of one incident useless.
    #[test]
    fn rules() {
        for (rule, seconds, offset) in [
            // 2026: summer time from 29 March 01:00 UTC to 25 October 01:00 UTC.
            ("CET-1CEST,M3.5.0,M10.5.0/3", 1_774_745_999, 3600),
            ("CET-1CEST,M3.5.0,M10.5.0/3", 1_774_746_000, 7200),
            ("CET-1CEST,M3.5.0,M10.5.0/3", 1_792_889_999, 7200),
            ("CET-1CEST,M3.5.0,M10.5.0/3", 1_792_890_000, 3600),
            // New York: from 8 March 07:00 UTC.
            ("EST5EDT,M3.2.0,M11.1.0", 1_772_953_199, -18_000),
            ("EST5EDT,M3.2.0,M11.1.0", 1_772_953_200, -14_400),
            // The south has summer around new year.
            (
                "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
                1_767_225_600,
                39_600,
            ),
            (
                "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
                1_782_000_000,
                37_800,
            ),
            ("<+0530>-5:30", 0, 19_800),
            ("UTC0", 5, 0),
        ] {
            assert_eq!(
                Rule::parse(rule).unwrap().offset(seconds),
                offset,
                "{rule} {seconds}"
            );
        }
        for rule in [
            "",
            "X",
            "CET",
            "CET-1CEST",
            "CET-1CEST,M13.1.0,M1.1.0",
            "CET-1CEST,M3.5.0",
        ] {
            assert_eq!(Rule::parse(rule), None, "{rule}");
        }
    }
}
