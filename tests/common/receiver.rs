//! Those who are told: an HTTP server and an SMTP server on the loopback, as obliging or not as a test wants.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver as Inbox, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Longer than any test should take: what waits so long has failed.
const LONG: Duration = Duration::from_secs(60);

/// What the receiver does with the next thing that it gets; without any instruction left it takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Take,
    /// An HTTP status, or an SMTP reply to the recipient.
    Refuse(&'static str),
    /// Reads it and says nothing until the test is over.
    Hang,
    /// Breaks the connection.
    Reset,
    /// HTTP: another place; SMTP: garbage.
    Odd,
}

/// A POST as it came in.
#[derive(Clone, Debug)]
pub struct Post {
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Post {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }
}

struct Shared<T> {
    answers: Mutex<Vec<Answer>>,
    taken: Mutex<Vec<T>>,
    seen: Mutex<Vec<T>>,
    /// Connections that are left hanging.
    hanging: Mutex<Vec<TcpStream>>,
    arrivals: Mutex<Sender<()>>,
}

impl<T: Clone> Shared<T> {
    fn next_answer(&self) -> Answer {
        let mut answers = self.answers.lock().unwrap();
        if answers.is_empty() {
            Answer::Take
        } else {
            answers.remove(0)
        }
    }

    fn arrived(&self, what: T, answer: &Answer) {
        self.seen.lock().unwrap().push(what.clone());
        if *answer == Answer::Take {
            self.taken.lock().unwrap().push(what);
        }
        let _ = self.arrivals.lock().unwrap().send(());
    }
}

/// Somebody on the loopback who gets what is sent to him.
pub struct Receiver<T> {
    pub address: SocketAddr,
    shared: Arc<Shared<T>>,
    arrivals: Inbox<()>,
}

impl<T: Clone + Send + 'static> Receiver<T> {
    fn start(serve: fn(TcpStream, &Shared<T>)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let (arrived, arrivals) = mpsc::channel();
        let shared = Arc::new(Shared {
            answers: Mutex::default(),
            taken: Mutex::default(),
            seen: Mutex::default(),
            hanging: Mutex::default(),
            arrivals: Mutex::new(arrived),
        });
        let address = listener.local_addr().expect("the listener has an address");
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                thread::spawn(move || serve(stream, &served));
            }
        });
        Self {
            address,
            shared,
            arrivals,
        }
    }

    /// What to do with the next ones.
    pub fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.answers.lock().unwrap().extend(answers);
    }

    /// Everything that came, in its order, taken or not.
    pub fn seen(&self) -> Vec<T> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub fn taken(&self) -> Vec<T> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// Waits until something has come that has not been waited for before.
    pub fn await_one(&self) {
        self.arrivals.recv_timeout(LONG).expect("something comes in time");
    }
}

impl Receiver<Post> {
    pub fn http() -> Self {
        Self::start(serve_http)
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }
}

fn serve_http(mut stream: TcpStream, shared: &Shared<Post>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
    let mut line = String::new();
    if reader.read_line(&mut line).is_err() || !line.starts_with("POST /hook") {
        return;
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }
    let length: usize = headers
        .get("content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let post = Post {
        headers,
        body: String::from_utf8(body).expect("the body is UTF-8"),
    };
    let answer = shared.next_answer();
    shared.arrived(post, &answer);
    let mut say = |head: &str| {
        let _ =
            stream.write_all(format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
    };
    match answer {
        Answer::Take => say("204 No Content"),
        Answer::Refuse(status) => say(&format!("{status} Refused")),
        Answer::Odd => say("302 Found\r\nLocation: /elsewhere"),
        Answer::Hang => shared.hanging.lock().unwrap().push(stream),
        Answer::Reset => {}
    }
}

/// A message as it came in.
#[derive(Clone, Debug)]
pub struct Letter {
    /// What was said before it, but for the credentials' encoded form.
    pub dialogue: Vec<String>,
    /// Headers and text, as they stood on the wire.
    pub text: String,
}

impl Letter {
    /// The value of a header, unfolded.
    pub fn header(&self, name: &str) -> String {
        let (head, _) = self.text.split_once("\r\n\r\n").expect("a message has a head");
        let unfolded = head.replace("\r\n ", " ");
        let prefix = format!("{name}: ");
        let line = unfolded
            .lines()
            .find_map(|line| line.strip_prefix(&prefix).map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {name} in {head}"))
    }
}

impl Receiver<Letter> {
    pub fn smtp() -> Self {
        Self::start(serve_smtp)
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }
}

fn serve_smtp(mut stream: TcpStream, shared: &Shared<Letter>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
    let mut dialogue = Vec::new();
    let mut answer = Answer::Take;
    let _ = stream.write_all(b"220 test ESMTP\r\n");
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end().to_owned();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        dialogue.push(line);
        let reply = match verb.as_str() {
            "EHLO" => "250-test\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN\r\n".to_owned(),
            "RCPT" => {
                answer = shared.next_answer();
                let text = dialogue.join("\n");
                match answer {
                    Answer::Take => "250 yes\r\n".into(),
                    ref other => {
                        let letter = Letter {
                            dialogue: dialogue.clone(),
                            text,
                        };
                        shared.arrived(letter, other);
                        match other {
                            Answer::Refuse(reply) => format!("{reply}\r\n"),
                            Answer::Hang => {
                                shared.hanging.lock().unwrap().push(stream);
                                return;
                            }
                            Answer::Odd => "what do you mean?\r\n".into(),
                            _ => return,
                        }
                    }
                }
            }
            "DATA" => {
                let _ = stream.write_all(b"354 go on\r\n");
                let mut text = String::new();
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                    if line == ".\r\n" {
                        break;
                    }
                    text.push_str(&line);
                }
                let letter = Letter {
                    dialogue: dialogue.clone(),
                    text,
                };
                shared.arrived(letter, &answer);
                "250 taken\r\n".into()
            }
            "AUTH" => "235 welcome\r\n".into(),
            "QUIT" => "221 bye\r\n".into(),
            _ => "250 yes\r\n".into(),
        };
        if stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}
