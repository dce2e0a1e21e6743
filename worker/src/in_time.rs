//! Reads that may never return: of a network folder whose server is gone, or of a pipe that nobody writes to.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// The longest time that reading a healthy file or folder may take: local ones take milliseconds.
pub(crate) const READ_LIMIT: Duration = Duration::from_secs(5);
/// The most bytes of a small file: far more than a chain of certificates, or the tokens of a person, take.
const SMALL_BYTES: u64 = 1024 * 1024;
/// How many bytes one read of a file requests.
const CHUNK_BYTES: usize = 128 * 1024;
/// How many chunks are read ahead.
const AHEAD: usize = 4;

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Late {
    /// It took too long.
    #[error("reading it takes longer than {} s", .0.as_secs())]
    TooSlow(Duration),
    /// It panicked.
    #[error("reading it panicked")]
    Panicked,
}

/// Runs `work` on a thread of its own, which is left behind if it takes longer than `limit`.
///
/// # Errors
///
/// [`Late`] when there is no result within the limit.
pub(crate) fn in_time<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Late> {
    let (sender, receiver) = sync_channel(1);
    // Nobody listens any more to what comes too late.
    thread::spawn(move || drop(sender.send(work())));
    receiver.recv_timeout(limit).map_err(|failed| match failed {
        RecvTimeoutError::Timeout => Late::TooSlow(limit),
        RecvTimeoutError::Disconnected => Late::Panicked,
    })
}

/// A file that is read on a thread of its own; every read ends within the limit, with an error if nothing came.
#[derive(Debug)]
pub(crate) struct TimedFile {
    metadata: Metadata,
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: VecDeque<u8>,
    limit: Duration,
}

impl TimedFile {
    /// Opens a file; each read may take as long as `limit`.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, or not in time: a pipe opens only once somebody writes to it.
    pub(crate) fn open(path: &Path, limit: Duration) -> io::Result<TimedFile> {
        let path = path.to_owned();
        let opened = in_time(READ_LIMIT, move || {
            let file = File::open(path)?;
            Ok::<_, io::Error>((file.metadata()?, file))
        });
        let (metadata, mut file) = opened.map_err(too_late)??;
        let (sender, chunks) = sync_channel(AHEAD);
        thread::spawn(move || {
            loop {
                let mut chunk = vec![0; CHUNK_BYTES];
                let read = file.read(&mut chunk).map(|length| chunk.truncate(length));
                let is_last = read.is_err() || chunk.is_empty();
                // Also ends when the reader is gone.
                if sender.send(read.map(|()| chunk)).is_err() || is_last {
                    break;
                }
            }
        });
        Ok(TimedFile { metadata, chunks, chunk: VecDeque::new(), limit })
    }

    /// What the file system says of it.
    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Read for TimedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() {
            match self.chunks.recv_timeout(self.limit) {
                Ok(chunk) => self.chunk = chunk?.into(),
                Err(RecvTimeoutError::Timeout) => return Err(too_late(Late::TooSlow(self.limit))),
                // The last chunk came before.
                Err(RecvTimeoutError::Disconnected) => {}
            }
        }
        self.chunk.read(buffer)
    }
}

/// The content of a small file, such as a certificate or a secret; a pipe is read too, if it is soon written.
///
/// # Errors
///
/// When it cannot be read, or not in time, or has more than [`SMALL_BYTES`].
pub(crate) fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    content(TimedFile::open(path, READ_LIMIT)?)
}

/// The content of a small file that is open.
///
/// # Errors
///
/// As of [`read_small`].
pub(crate) fn content(file: TimedFile) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(SMALL_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > SMALL_BYTES {
        return Err(io::Error::other(format!("it has more than {SMALL_BYTES} bytes")));
    }
    Ok(content)
}

fn too_late(late: Late) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, late.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::process::Command;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_hangs_is_not_waited_for() {
        let (release, hang): (_, Receiver<()>) = channel();
        let late = in_time(Duration::from_millis(10), move || hang.recv().is_ok());
        assert_eq!(late, Err(Late::TooSlow(Duration::from_millis(10))));
        drop(release);
        assert_eq!(in_time(READ_LIMIT, || 7), Ok(7));
    }

    #[test]
    fn a_file_is_read_whole_and_a_silent_pipe_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let content: Vec<u8> = (0..3 * CHUNK_BYTES + 5).map(|n| u8::try_from(n % 251).unwrap()).collect();
        fs::write(&path, &content).unwrap();
        let mut file = TimedFile::open(&path, READ_LIMIT).unwrap();
        assert_eq!(file.metadata().len(), content.len() as u64);
        let mut read = Vec::new();
        file.read_to_end(&mut read).unwrap();
        assert!(read == content);
        assert_eq!(file.read(&mut [0; 8]).unwrap(), 0, "the end stays the end");

        let pipe = dir.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // Somebody who writes a little and then nothing: what came is read, and no more is waited for.
        let writer = thread::spawn({
            let pipe = pipe.clone();
            move || {
                let mut writer = fs::OpenOptions::new().write(true).open(pipe).unwrap();
                writer.write_all(b"some").unwrap();
                writer
            }
        });
        let mut file = TimedFile::open(&pipe, READ_LIMIT).unwrap();
        let writer = writer.join().unwrap();
        let mut some = [0; 4];
        file.read_exact(&mut some).unwrap();
        assert_eq!(&some, b"some");
        file.limit = Duration::from_millis(50);
        assert_eq!(file.read(&mut some).unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(writer);
    }
}
