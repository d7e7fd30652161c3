//! The service's side of a connection.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use asynctop_probe::stage;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    rt::{Read, ReadBufCursor, Write},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::coop};

use super::{
    super::db::User,
    ask::{Asker, Question},
};

/// Serves until the client goes.
pub(super) async fn connection(stream: TcpStream, asker: Asker) {
    let handling = Arc::new(AtomicBool::new(false));
    let io = Staged { stream: TokioIo::new(stream), handling: Arc::clone(&handling) };
    let service = service_fn(move |request| {
        let (asker, handling) = (asker.clone(), Arc::clone(&handling));
        async move {
            handling.store(true, Ordering::Relaxed);
            let response = handle(&request, &asker).await;
            handling.store(false, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    match http1::Builder::new().serve_connection(io, service).await {
        Ok(()) => stage("its client has disconnected"),
        Err(_) => stage("failed: the connection broke"),
    }
}

async fn handle(request: &Request<Incoming>, asker: &Asker) -> Response<Full<Bytes>> {
    let Some(question) = question(request) else {
        return reply(StatusCode::NOT_FOUND, br#"{"error":"there is /users and /users/ID"}"#);
    };
    stage("queries the database");
    match asker.ask(question).await {
        Err(_) => reply(StatusCode::INTERNAL_SERVER_ERROR, br#"{"error":"no database"}"#),
        Ok(users) => {
            stage("formats the answer");
            match (question, users.first()) {
                (Question::User(_), None) => {
                    reply(StatusCode::NOT_FOUND, br#"{"error":"there is no such user"}"#)
                }
                (Question::User(_), Some(user)) => reply(StatusCode::OK, &json(user)),
                (Question::Best, _) => reply(StatusCode::OK, &array(&users).await),
            }
        }
    }
}

fn question(request: &Request<Incoming>) -> Option<Question> {
    if request.method() != Method::GET {
        return None;
    }
    match request.uri().path().strip_prefix("/users")? {
        "" | "/" => Some(Question::Best),
        id => id.strip_prefix('/')?.parse().ok().map(Question::User),
    }
}

/// A long answer takes a while: between two users the others may have their turn.
async fn array(users: &[User]) -> Vec<u8> {
    let mut text = vec![b'['];
    for user in users {
        if text.len() > 1 {
            text.push(b',');
        }
        text.extend(json(user));
        coop::consume_budget().await;
    }
    text.push(b']');
    text
}

fn json(user: &User) -> Vec<u8> {
    // Numbers and words always have a form in JSON.
    serde_json::to_vec(user).unwrap_or_default()
}

fn reply(status: StatusCode, body: &[u8]) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A stream that says when its task reads and when it writes. While a request is being
/// handled hyper reads too, to learn whether the client has gone; that is not what the
/// task does.
struct Staged {
    stream: TokioIo<TcpStream>,
    handling: Arc<AtomicBool>,
}

impl Read for Staged {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.handling.load(Ordering::Relaxed) {
            stage("reads the request");
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Staged {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        stage("writes the answer");
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() && !self.handling.load(Ordering::Relaxed) {
            // hyper waits for the next request with the waker of its last read.
            stage("reads the request");
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
