//! A disk of its own that can lose its power, or be too small. Only root may make one.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub struct Disk {
    home: TempDir,
    kind: Kind,
}

enum Kind {
    /// A file with ext4 in it.
    Image,
    /// So many kilobytes of memory.
    Small,
}

/// `_IOR('X', 125, __u32)`, and the flag that leaves the file system's own log unflushed.
const SHUT_DOWN: &str = r#"
    my $without_flush = pack("L", 2);
    open my $disk, "<", $ARGV[0] or die $!;
    ioctl($disk, 0x8004587d, $without_flush) or die $!;
"#;

impl Disk {
    /// Whether disks can be made here; says so loudly where not.
    pub fn can_be_made(what: &str) -> bool {
        let able = run("id", &["-u"]).is_ok_and(|id| id.trim() == "0") && run("losetup", &["-f"]).is_ok();
        if !able {
            // Not by a macro, whose words a test that passes keeps to itself.
            let _ = writeln!(std::io::stderr(), "NOT TRIED: {what}: it needs root and a loop device");
        }
        able
    }

    pub fn image(megabytes: usize) -> Self {
        let disk = Self::of(Kind::Image);
        let image = disk.file();
        let size = format!("{megabytes}M");
        run("truncate", &["-s", &size, &image]).unwrap();
        run("mkfs.ext4", &["-q", "-F", &image]).unwrap();
        disk.plug_in();
        disk
    }

    pub fn small(kilobytes: usize) -> Self {
        let disk = Self::of(Kind::Small);
        let options = format!("size={kilobytes}k");
        run("mount", &["-t", "tmpfs", "-o", &options, "none", &disk.mount_point()]).unwrap();
        disk
    }

    fn of(kind: Kind) -> Self {
        let home = tempfile::Builder::new()
            .prefix("disk")
            .tempdir_in("/tmp")
            .expect("/tmp is writable");
        std::fs::create_dir(home.path().join("mount")).expect("the directory is ours");
        Self { home, kind }
    }

    pub fn path(&self) -> PathBuf {
        self.home.path().join("mount")
    }

    fn mount_point(&self) -> String {
        self.path().display().to_string()
    }

    fn file(&self) -> String {
        self.home.path().join("image").display().to_string()
    }

    fn plug_in(&self) {
        run("mount", &["-o", "loop", &self.file(), &self.mount_point()]).unwrap();
    }

    /// From this moment nothing more reaches the disk, not even what was written before and not yet synced.
    pub fn lose_power(&self) {
        run("perl", &["-e", SHUT_DOWN, &self.mount_point()]).unwrap();
    }

    /// What is on the disk after the power has come back. Nobody may have a file of it open.
    pub fn start_again(&self) {
        run("umount", &[&self.mount_point()]).unwrap();
        self.plug_in();
    }

    /// Leaves so many kilobytes free, or what there is.
    pub fn fill_but(&self, kilobytes: usize) {
        let free = run("df", &["--output=avail", "-k", &self.mount_point()]).unwrap();
        let free: usize = free.lines().nth(1).unwrap_or_default().trim().parse().unwrap();
        let size = format!("{}K", free.saturating_sub(kilobytes));
        run("fallocate", &["-l", &size, &self.filler()]).unwrap();
    }

    /// The room of [`Disk::fill_but`] is free again.
    pub fn empty(&self) {
        std::fs::remove_file(self.filler()).expect("it was made before");
    }

    fn filler(&self) -> String {
        self.path().join("filler").display().to_string()
    }

    pub fn sync(&self) {
        run("sync", &["-f", &self.mount_point()]).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open must not keep the mount point.
        let unmounted = run("umount", &["-l", &self.mount_point()]);
        if matches!(self.kind, Kind::Image) && unmounted.is_err() {
            eprintln!("{} stays mounted", self.mount_point());
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!(
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

/// Copies the files of a SQLite ledger, so that it can be looked at elsewhere.
pub fn copy_ledger(from: &Path, to: &Path) {
    for name in ["ledger.db", "ledger.db-wal"] {
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).expect("the ledger can be read");
        }
    }
}
