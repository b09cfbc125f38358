//! A checksum over lines of text: what the last line of an export says of those before it.

use sha2::{Digest, Sha256};

use super::hex;

/// SHA-256 over lines, each with its line feed.
#[derive(Clone, Debug, Default)]
pub struct LinesChecksum(Sha256);

impl LinesChecksum {
    /// One line more, without its line feed.
    pub fn line(&mut self, line: &[u8]) {
        self.0.update(line);
        self.0.update(b"\n");
    }

    /// 64 hexadecimal digits, of the lines so far.
    pub fn hex(&self) -> String {
        let sum: [u8; 32] = self.0.clone().finalize().into();
        hex::of(&sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_sha256sum_says_of_the_same_lines() {
        let mut sum = LinesChecksum::default();
        sum.line(b"one");
        sum.line(b"two");
        let told = "c3f9c8c283a2b1f2f1896f27a01cbe3cddc0c9d93f752e4639035a0f5b36f6e8";
        assert_eq!(sum.hex(), told);
    }
}
