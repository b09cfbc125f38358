//! The corpus of the fuzz targets, and thousands of mutations of it, through the oracles that fuzzing holds them
//! against: what breaks one of them breaks the build.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::effort::{SEED_VARIABLE, Tally, smoke_seed};
use crate::oracles::{ALL, Oracle};

const MUTATIONS: usize = 2_000;
/// Nothing of the corpus need be longer.
const LONGEST: usize = 4_096;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// In the order of their names, so that every run is the same.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = folder().join("corpus").join(name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let bytes = fs::read(&file).unwrap();
        (file, bytes)
    };
    files.into_iter().map(read).collect()
}

/// What a fuzzer does to an input, but blindly.
fn mutated(corpus: &[(PathBuf, Vec<u8>)], random: &mut fastrand::Rng) -> Vec<u8> {
    let pick = |random: &mut fastrand::Rng| &corpus[random.usize(..corpus.len())].1;
    let mut bytes = pick(random).clone();
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(..=bytes.len());
        let end = (at + random.usize(..=8)).min(bytes.len());
        match random.usize(..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.u32(..8),
            1 if at < bytes.len() => bytes[at] = random.u8(..),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => {
                let other = pick(random);
                let from = random.usize(..=other.len());
                let to = (from + random.usize(..=32)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            _ => bytes.insert(at, b"\"\\,:{}[]0123456789.-+eE\r\n\0\xFF@?%/"[random.usize(..30)]),
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

/// Findings show what was held against the oracle.
fn hold(tally: &mut Tally, oracle: Oracle, bytes: &[u8], name: impl FnOnce() -> String) {
    tally.round(
        || format!("{}: {:?}", name(), String::from_utf8_lossy(bytes)),
        || oracle(bytes),
    );
}

#[test]
fn what_is_committed_of_the_corpus_passes() {
    let mut tally = Tally::default();
    for (name, oracle) in ALL {
        for (file, bytes) in corpus(name) {
            hold(&mut tally, *oracle, &bytes, || file.display().to_string());
        }
    }
    tally.assert_clean();
}

#[test]
fn thousands_of_mutations_of_the_corpus_pass() {
    let (mut tally, seed) = (Tally::default(), smoke_seed());
    for (name, oracle) in ALL {
        let corpus = corpus(name);
        let mut random = fastrand::Rng::with_seed(seed);
        for number in 0..MUTATIONS {
            let bytes = mutated(&corpus, &mut random);
            hold(&mut tally, *oracle, &bytes, || {
                format!("{name} {number}, with {SEED_VARIABLE}={seed}")
            });
        }
    }
    tally.assert_clean();
}

#[test]
fn every_oracle_has_its_target_and_its_corpus() {
    let names = |folder: PathBuf| {
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let mut names: Vec<String> = files
            .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let oracles: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(names(folder().join("fuzz_targets")), oracles);
    assert_eq!(names(folder().join("corpus")), oracles);
    assert_eq!(names(folder().join("dictionaries")), oracles);
}
