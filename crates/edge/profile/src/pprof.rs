//! From stacks to a profile with names.

use std::collections::HashMap;
use std::ffi::c_void;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message as _;

use crate::Stack;
use crate::messages::{self, Function, Line, Location, Mapping, Sample, ValueType};

/// A kind of value and its unit.
type Kind = (&'static str, &'static str);

/// What was measured.
pub(crate) struct Profile<'a> {
    pub(crate) kinds: &'a [Kind],
    pub(crate) period_kind: Kind,
    pub(crate) period: i64,
    /// The kind that is shown first; the last one when empty.
    pub(crate) default_kind: &'static str,
    /// A pattern of functions that are left out with what they call; none when empty.
    pub(crate) hidden: &'static str,
    pub(crate) at: SystemTime,
    pub(crate) took: Duration,
    pub(crate) samples: Vec<Counted>,
}

/// A stack and its values, one of each kind.
pub(crate) struct Counted {
    pub(crate) stack: Stack,
    pub(crate) values: Vec<i64>,
}

impl Profile<'_> {
    /// The compressed file.
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut writer = Writer::new();
        let kind = |writer: &mut Writer, (kind, unit): Kind| ValueType {
            kind: writer.text(kind),
            unit: writer.text(unit),
        };
        let kinds = self
            .kinds
            .iter()
            .map(|&one| kind(&mut writer, one))
            .collect();
        let period = kind(&mut writer, self.period_kind);
        let default = writer.text(self.default_kind);
        let drop_frames = writer.text(self.hidden);
        let mut samples = Vec::with_capacity(self.samples.len());
        for Counted { stack, values } in self.samples {
            // Behind a call lies the next place; the call itself is one before.
            let places = stack.iter().map(|ip| writer.location(ip.saturating_sub(1)));
            samples.push(Sample {
                location_id: places.collect(),
                value: values,
            });
        }
        let at = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        let profile = messages::Profile {
            sample_type: kinds,
            sample: samples,
            period_type: Some(period),
            period: self.period,
            time_nanos: nanos(at),
            duration_nanos: nanos(self.took),
            default_sample_type: default,
            drop_frames,
            ..writer.profile
        };
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing into memory cannot fail.
        let _ = gzip.write_all(&profile.encode_to_vec());
        gzip.finish().unwrap_or_default()
    }
}

/// The tables of a profile.
struct Writer {
    profile: messages::Profile,
    texts: HashMap<String, i64>,
    locations: HashMap<usize, u64>,
    functions: HashMap<String, u64>,
}

impl Writer {
    fn new() -> Self {
        let mut writer = Self {
            profile: messages::Profile::default(),
            texts: HashMap::new(),
            locations: HashMap::new(),
            functions: HashMap::new(),
        };
        writer.text("");
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        for line in maps.lines() {
            writer.mapping(line);
        }
        writer
    }

    fn text(&mut self, text: &str) -> i64 {
        if let Some(known) = self.texts.get(text) {
            return *known;
        }
        let place = self.profile.string_table.len() as i64;
        self.profile.string_table.push(text.to_owned());
        self.texts.insert(text.to_owned(), place);
        place
    }

    /// Code that is loaded: `start-end r-xp offset device inode path`.
    fn mapping(&mut self, line: &str) -> Option<()> {
        let mut fields = line.split_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let is_code = fields.next()?.contains('x');
        let offset = fields.next()?;
        let path = fields
            .nth(2)
            .filter(|path| is_code && path.starts_with('/'))?;
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let mapping = Mapping {
            id: self.profile.mapping.len() as u64 + 1,
            memory_start: hex(start)?,
            memory_limit: hex(end)?,
            file_offset: hex(offset)?,
            filename: self.text(path),
            has_functions: true,
        };
        self.profile.mapping.push(mapping);
        Some(())
    }

    fn location(&mut self, address: usize) -> u64 {
        if let Some(known) = self.locations.get(&address) {
            return *known;
        }
        let mut lines = Vec::new();
        // What was inlined comes with its callers, innermost first.
        backtrace::resolve(address as *mut c_void, |symbol| {
            let name = symbol.name().map(|name| format!("{name:#}"));
            let file = symbol.filename().map(|file| file.display().to_string());
            lines.push((name, file, symbol.lineno().unwrap_or_default()));
        });
        let lines = lines.into_iter().map(|(name, file, line)| Line {
            function_id: self.function(name.unwrap_or_else(|| format!("{address:#x}")), file),
            line: line.into(),
        });
        let line = lines.collect();
        let inside = |mapping: &&Mapping| {
            (mapping.memory_start..mapping.memory_limit).contains(&(address as u64))
        };
        let mapping = self.profile.mapping.iter().find(inside);
        let id = self.profile.location.len() as u64 + 1;
        let location = Location {
            id,
            mapping_id: mapping.map_or(0, |mapping| mapping.id),
            address: address as u64,
            line,
        };
        self.profile.location.push(location);
        self.locations.insert(address, id);
        id
    }

    fn function(&mut self, name: String, file: Option<String>) -> u64 {
        if let Some(known) = self.functions.get(&name) {
            return *known;
        }
        let id = self.profile.function.len() as u64 + 1;
        let text = self.text(&name);
        let filename = self.text(file.as_deref().unwrap_or_default());
        self.profile.function.push(Function {
            id,
            name: text,
            system_name: text,
            filename,
        });
        self.functions.insert(name, id);
        id
    }
}
