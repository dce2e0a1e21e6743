//! Readings that may never return: of a network folder whose server is gone, for example.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rules::{Files, Refused, snapshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::{Reading, error, refused};
use crate::in_time::{Late, READ_LIMIT, in_time};

/// How many readings may hang at a time. Each holds a thread for as long as it hangs.
const MAX_HUNG: usize = 4;

/// Reads a folder repeatedly.
pub(super) struct Reader {
    dir: PathBuf,
    read: Arc<dyn Fn() -> Reading + Send + Sync>,
    /// A reading that has not returned yet.
    pending: Option<JoinHandle<Reading>>,
    /// Readings that took too long and were replaced by others.
    hung: Vec<JoinHandle<Reading>>,
}

impl Reader {
    pub(super) fn new(dir: PathBuf, read: impl Fn() -> Reading + Send + Sync + 'static) -> Reader {
        Reader { dir, read: Arc::new(read), pending: None, hung: Vec::new() }
    }

    /// The current folder. A reading that takes too long is an error; the next call starts another, because a folder
    /// that is mounted again does not wake the readings of the old mount. Once [`MAX_HUNG`] hang, it waits for the last.
    pub(super) async fn next(&mut self) -> Result<Reading, Refused> {
        self.hung.retain(|reading| !reading.is_finished());
        let read = &self.read;
        let mut pending = self.pending.take().unwrap_or_else(|| {
            let read = Arc::clone(read);
            spawn_blocking(move || read())
        });
        match timeout(READ_LIMIT, &mut pending).await {
            Ok(reading) => reading.map_err(|_| {
                let message = "reading it panicked; the process goes on".to_owned();
                refused(error(&self.dir, "panic", message, "report this"))
            }),
            Err(_) if self.hung.len() < MAX_HUNG => {
                self.hung.push(pending);
                Err(too_slow(&self.dir))
            }
            Err(_) => {
                self.pending = Some(pending);
                Err(too_slow(&self.dir))
            }
        }
    }
}

/// The files of a folder, for a command that waits for them.
///
/// # Errors
///
/// [`Refused`] when the folder cannot be read, or not in time.
pub(crate) fn files_in_time(dir: &Path) -> Result<Files, Refused> {
    let folder = dir.to_owned();
    within_limit(dir, move || snapshot(&folder))?.map_err(|mut refused| {
        // Commands put the folder in front of each place.
        let here = dir.display().to_string();
        let places = refused.diagnostics.iter_mut().map(|finding| &mut finding.file);
        places.filter(|place| **place == here).for_each(String::clear);
        refused
    })
}

/// Whether a path is a folder, for a command that waits for the answer.
///
/// # Errors
///
/// [`Refused`] when the file system does not answer in time.
pub(crate) fn is_folder_in_time(path: &Path) -> Result<bool, Refused> {
    let folder = path.to_owned();
    within_limit(path, move || folder.is_dir())
}

fn within_limit<T: Send + 'static>(
    dir: &Path,
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refused> {
    in_time(READ_LIMIT, read).map_err(|late| match late {
        Late::TooSlow(_) => too_slow(dir),
        Late::Panicked => refused(error(dir, "panic", late.to_string(), "report this")),
    })
}

fn too_slow(dir: &Path) -> Refused {
    let message = Late::TooSlow(READ_LIMIT).to_string();
    refused(error(dir, "unreadable", message, "check the file system that it is on"))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, channel};

    use futures::poll;

    use super::*;

    fn reading() -> Reading {
        Reading { files: Ok(Files::new()), lock: Ok(None) }
    }

    /// Waits in vain for a reading; `begins` returns once it has begun.
    async fn wait_in_vain(reader: &mut Reader, begins: impl FnOnce()) {
        let mut next = Box::pin(reader.next());
        assert!(poll!(&mut next).is_pending());
        begins();
        tokio::time::advance(READ_LIMIT).await;
        let told = next.await.unwrap_err().to_string();
        assert!(told.contains("reading it takes longer than 5 s"), "{told}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_that_hangs_is_replaced_and_no_more_than_a_few_hang() {
        let begun = Arc::new(AtomicUsize::new(0));
        let (release, hang): (_, Receiver<()>) = channel();
        let (counter, hang) = (Arc::clone(&begun), Mutex::new(hang));
        let mut reader = Reader::new("rules".into(), move || {
            // The first readings hang until the test ends; none may hang longer than it.
            if counter.fetch_add(1, Ordering::SeqCst) <= MAX_HUNG {
                let _ = hang.lock().unwrap().recv();
            }
            reading()
        });
        for _ in 0..MAX_HUNG + 3 {
            wait_in_vain(&mut reader, || {}).await;
        }
        assert_eq!((reader.hung.len(), reader.pending.is_some()), (MAX_HUNG, true));
        drop(release);
        assert_eq!(reader.next().await, Ok(reading()), "the folder is back");
        assert_eq!(begun.load(Ordering::SeqCst), MAX_HUNG + 1);
        assert_eq!(reader.next().await, Ok(reading()));
        while reader.hung.iter().any(|hung| !hung.is_finished()) {
            tokio::task::yield_now().await;
        }
        assert_eq!((reader.next().await, reader.hung.len()), (Ok(reading()), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_folder_that_is_mounted_again_is_read_again_though_the_old_reading_hangs() {
        let first = AtomicUsize::new(0);
        let (release, hang): (_, Receiver<()>) = channel();
        let (hang, (begins, begun)) = (Mutex::new(hang), channel());
        let mut reader = Reader::new("rules".into(), move || {
            let _ = begins.send(());
            if first.fetch_add(1, Ordering::SeqCst) == 0 {
                let _ = hang.lock().unwrap().recv();
            }
            reading()
        });
        wait_in_vain(&mut reader, || begun.recv().unwrap()).await;
        assert_eq!(reader.next().await, Ok(reading()));
        assert_eq!(reader.hung.len(), 1);
        drop(release);
    }
}
