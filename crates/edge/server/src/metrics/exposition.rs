//! The Prometheus text format, for values that are read when they are asked for.

use std::fmt::{Display, Write as _};

/// A text in the making.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
    last: String,
}

/// A value that can be shown; whether something is so shows as 1 or 0.
pub(super) trait Value {
    /// The number.
    fn show(&self) -> String;
}

macro_rules! numbers {
    ($($kind:ty),*) => {
        $(impl Value for $kind {
            fn show(&self) -> String {
                self.to_string()
            }
        })*
    };
}

numbers!(u64, i64, i32);

impl Value for f64 {
    fn show(&self) -> String {
        match *self {
            Self::INFINITY => "+Inf".to_owned(),
            number => number.to_string(),
        }
    }
}

impl Value for bool {
    fn show(&self) -> String {
        u8::from(*self).to_string()
    }
}

impl Exposition {
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Value) {
        self.sample(name, help, "gauge", "", value);
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Value) {
        self.sample(name, help, "counter", "", value);
    }

    /// Several samples of one name follow each other and share their head.
    pub(super) fn labelled_gauge(
        &mut self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        value: impl Value,
    ) {
        self.labelled(name, help, "gauge", labels, value);
    }

    /// As a gauge.
    pub(super) fn labelled_counter(
        &mut self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        value: impl Value,
    ) {
        self.labelled(name, help, "counter", labels, value);
    }

    fn labelled(
        &mut self,
        name: &str,
        help: &str,
        kind: &str,
        labels: &[(&str, &str)],
        value: impl Value,
    ) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        self.sample(name, help, kind, format!("{{{}}}", labels.join(",")), value);
    }

    fn sample(
        &mut self,
        name: &str,
        help: &str,
        kind: &str,
        labels: impl Display,
        value: impl Value,
    ) {
        if self.last != name {
            // Writing to a string cannot fail.
            let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            name.clone_into(&mut self.last);
        }
        let _ = writeln!(self.text, "{name}{labels} {}", value.show());
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A scraper drops the whole page for one bad line.
    #[test]
    fn the_format() {
        let mut out = Exposition::default();
        out.gauge("a", "Help.", true);
        out.labelled_gauge("b", "Help.", &[("x", "1\"2")], 7_i64);
        out.labelled_gauge("b", "Help.", &[("x", "3")], 8_i64);
        assert_eq!(
            out.into_text(),
            "# HELP a Help.\n# TYPE a gauge\na 1\n\
             # HELP b Help.\n# TYPE b gauge\nb{x=\"1\\\"2\"} 7\nb{x=\"3\"} 8\n"
        );
    }
}
