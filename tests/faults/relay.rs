//! A relay in front of the PostgreSQL server that cuts one connection, at a message of its client's.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

/// When the connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The client's message does not reach the server.
    Request,
    /// The server has answered it; the answer does not reach the client.
    Reply,
}

pub struct Relay {
    directory: TempDir,
    messages: Arc<AtomicUsize>,
}

const SOCKET: &str = ".s.PGSQL.5432";

impl Relay {
    /// Cuts at the client's message of that number, counted from one over all connections; never at zero.
    pub fn before(server: &Path, cut: Cut, at: usize) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("relay")
            .tempdir_in("/tmp")
            .expect("/tmp is writable");
        let listener = UnixListener::bind(directory.path().join(SOCKET)).expect("a socket can be bound");
        let messages = Arc::new(AtomicUsize::new(0));
        let (server, count) = (server.join(SOCKET), Arc::clone(&messages));
        // Ends with the tests' process: a relay waits for a client that may never come.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, count) = (server.clone(), Arc::clone(&count));
                std::thread::spawn(move || serve(client, &server, &count, (cut, at)));
            }
        });
        Self { directory, messages }
    }

    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    pub fn messages(&self) -> usize {
        self.messages.load(Ordering::SeqCst)
    }
}

fn serve(mut client: UnixStream, server: &Path, count: &AtomicUsize, (cut, at): (Cut, usize)) {
    let Ok(mut server) = UnixStream::connect(server) else {
        return;
    };
    let (Ok(mut answers), Ok(mut back)) = (server.try_clone(), client.try_clone()) else {
        return;
    };
    let silent = Arc::new(AtomicUsize::new(0));
    let muted = Arc::clone(&silent);
    std::thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        while let Ok(length @ 1..) = answers.read(&mut buffer) {
            if muted.load(Ordering::SeqCst) > 0 {
                break;
            }
            if back.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        // Both ends hear that it is over.
        let _ = back.shutdown(std::net::Shutdown::Both);
        let _ = answers.shutdown(std::net::Shutdown::Both);
    });
    let mut buffer = [0; 1 << 16];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        if number == at {
            match cut {
                Cut::Request => break,
                Cut::Reply => silent.store(1, Ordering::SeqCst),
            }
        }
        if server.write_all(&buffer[..length]).is_err() {
            break;
        }
        if number == at {
            // The other thread hangs up once the server has answered.
            return;
        }
    }
    let _ = server.shutdown(std::net::Shutdown::Both);
    let _ = client.shutdown(std::net::Shutdown::Both);
}
