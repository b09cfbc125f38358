//! Where long texts go: standard output, or a file that is there as a whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// How much is gathered before it is written.
const BUFFER: usize = 1 << 16;

/// Takes a text piece by piece.
pub struct Sink {
    place: Place,
    buffer: String,
    gone: bool,
}

enum Place {
    StandardOutput,
    File { temporary: NamedTempFile, path: PathBuf },
}

impl Sink {
    /// Standard output unless a file is named. The text goes to a file beside that one first.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let place = match path {
            None => Place::StandardOutput,
            Some(path) => Place::File {
                temporary: beside(path)?,
                path: path.to_owned(),
            },
        };
        Ok(Self {
            place,
            buffer: String::with_capacity(2 * BUFFER),
            gone: false,
        })
    }

    /// A file that everybody may read, as a whole or not at all.
    pub fn write_public(path: &Path, text: &str) -> io::Result<()> {
        let mut sink = Self::open(Some(path))?;
        if let Place::File { temporary, .. } = &sink.place {
            temporary.as_file().set_permissions(Permissions::from_mode(0o644))?;
        }
        sink.buffer.push_str(text);
        sink.finish()
    }

    /// What is to be written next; call [`Self::flush_full`] now and then.
    pub const fn buffer(&mut self) -> &mut String {
        &mut self.buffer
    }

    /// Writes what has gathered, if it is much.
    pub fn flush_full(&mut self) -> io::Result<()> {
        if self.buffer.len() < BUFFER {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = match &mut self.place {
            Place::StandardOutput => {
                let mut stream = io::stdout().lock();
                stream.write_all(self.buffer.as_bytes()).and_then(|()| stream.flush())
            }
            Place::File { temporary, .. } => temporary.write_all(self.buffer.as_bytes()),
        };
        self.buffer.clear();
        if let Err(error) = &written {
            self.gone = error.kind() == ErrorKind::BrokenPipe;
        }
        written
    }

    /// Whether the reader has gone away, having seen what it wanted.
    pub const fn is_gone(&self) -> bool {
        self.gone
    }

    /// Writes the rest. Only now is a file seen under its name, and it is on the disk.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        let Place::File { temporary, path } = std::mem::replace(&mut self.place, Place::StandardOutput) else {
            return Ok(());
        };
        temporary.as_file().sync_all()?;
        temporary.persist(&path).map_err(|error| error.error)?;
        File::open(folder_of(&path))?.sync_all()
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A new file in the same folder, which only its owner can read unless the one it will replace says otherwise.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let temporary = |path: &Path| tempfile::Builder::new().prefix(".ledger-").tempfile_in(folder_of(path));
    match fs::metadata(path) {
        // A device or a pipe would be replaced by the file.
        Ok(known) if !known.is_file() => Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file")),
        Ok(known) => {
            let file = temporary(path)?;
            file.as_file().set_permissions(known.permissions())?;
            Ok(file)
        }
        Err(_) => temporary(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book");
        fs::write(&path, "old").unwrap();

        let mut dropped = Sink::open(Some(&path)).unwrap();
        dropped.buffer().push_str(&"x".repeat(2 * BUFFER));
        dropped.flush_full().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        drop(dropped);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let mut finished = Sink::open(Some(&path)).unwrap();
        finished.buffer().push_str("new");
        finished.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn devices_and_folders_are_not_replaced() {
        assert!(Sink::open(Some(Path::new("/dev/null"))).is_err());
        assert!(Sink::open(Some(Path::new("/"))).is_err());
        assert!(Sink::open(Some(Path::new("/nowhere/at/all"))).is_err());
    }
}
