//! The corpus of every fuzz target, and mutations of it, on the stable compiler.
//!
//! `UPDATE=1 cargo test -p decoders` writes the seeds again after a format has changed.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use decoders::{TARGETS, seeds};

/// Mutations of each file of a corpus.
const MUTATIONS: u64 = 20_000;

fn fuzz(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz")
        .join(path)
}

/// The files of a corpus, in the order of their names.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fuzz("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|_| panic!("no corpus {target}: UPDATE=1"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
    paths.into_iter().map(read).collect()
}

/// Every input that was ever worth keeping is still survived.
#[test]
fn corpora_are_survived() {
    if std::env::var_os("UPDATE").is_some() {
        for (target, name, bytes) in seeds() {
            fs::create_dir_all(fuzz("corpus").join(target)).unwrap();
            fs::write(fuzz("corpus").join(target).join(name), bytes).unwrap();
        }
    }
    for target in TARGETS {
        let files = corpus(target.name);
        assert!(!files.is_empty(), "the corpus of {} is empty", target.name);
        for (_, bytes) in files {
            (target.run)(&bytes);
        }
        (target.run)(&[]);
    }
}

/// Flipped bits, cuts, doubled and foreign pieces.
#[test]
fn mutations_are_survived() {
    for target in TARGETS {
        for (path, bytes) in corpus(target.name) {
            for seed in 1..=MUTATIONS {
                let mutated = mutate(&bytes, seed);
                let survived = std::panic::catch_unwind(|| (target.run)(&mutated));
                assert!(survived.is_ok(), "{} of {}", seed, path.display());
            }
        }
    }
}

/// Each target has its program, and each program its target.
#[test]
fn targets_and_programs_match() {
    let programs = fs::read_dir(fuzz("fuzz_targets")).unwrap();
    let programs: BTreeSet<String> = programs
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let targets: BTreeSet<String> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(programs, targets);
}

fn mutate(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % limit.max(1) as u64) as usize
    };
    let mut bytes = bytes.to_vec();
    for _ in 0..=below(3) {
        let at = below(bytes.len());
        match below(6) {
            0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << below(8),
            2 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][below(5)],
            3 => bytes.truncate(at),
            4 => {
                let piece = bytes[at..bytes.len().min(at + below(32))].to_vec();
                let to = below(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => bytes.insert(at, below(256) as u8),
        }
    }
    bytes
}
