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
    query::{DatabaseClient, Query},
};

/// Serves a connection until the client disconnects.
pub(super) async fn connection(stream: TcpStream, database: DatabaseClient) {
    let handling = Arc::new(AtomicBool::new(false));
    let io = StagedStream { stream: TokioIo::new(stream), handling: Arc::clone(&handling) };
    let service = service_fn(move |request| {
        let (database, handling) = (database.clone(), Arc::clone(&handling));
        async move {
            handling.store(true, Ordering::Relaxed);
            let response = handle(&request, &database).await;
            handling.store(false, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    match http1::Builder::new().serve_connection(io, service).await {
        Ok(()) => stage("its client has disconnected"),
        Err(_) => stage("failed: the connection broke"),
    }
}

async fn handle(request: &Request<Incoming>, database: &DatabaseClient) -> Response<Full<Bytes>> {
    let Some(query) = parse_query(request) else {
        return reply(StatusCode::NOT_FOUND, br#"{"error":"there is /users and /users/ID"}"#);
    };
    stage("queries the database");
    match database.query(query).await {
        Err(_) => reply(StatusCode::INTERNAL_SERVER_ERROR, br#"{"error":"no database"}"#),
        Ok(users) => {
            stage("formats the answer");
            match (query, users.first()) {
                (Query::User(_), None) => {
                    reply(StatusCode::NOT_FOUND, br#"{"error":"there is no such user"}"#)
                }
                (Query::User(_), Some(user)) => reply(StatusCode::OK, &json(user)),
                (Query::Best, _) => reply(StatusCode::OK, &array(&users).await),
            }
        }
    }
}

fn parse_query(request: &Request<Incoming>) -> Option<Query> {
    if request.method() != Method::GET {
        return None;
    }
    match request.uri().path().strip_prefix("/users")? {
        "" | "/" => Some(Query::Best),
        id => id.strip_prefix('/')?.parse().ok().map(Query::User),
    }
}

/// Formats a list of users. Yields between two users, because a long list takes a while.
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
    // Numbers and strings can always be serialized.
    serde_json::to_vec(user).unwrap_or_default()
}

fn reply(status: StatusCode, body: &[u8]) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A stream that sets the stage of its task when it reads or writes. While a request is handled,
/// hyper also reads to detect a disconnect; those reads do not set the stage.
struct StagedStream {
    stream: TokioIo<TcpStream>,
    handling: Arc<AtomicBool>,
}

impl Read for StagedStream {
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

impl Write for StagedStream {
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
            // hyper waits for the next request with the waker of its previous read.
            stage("reads the request");
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
