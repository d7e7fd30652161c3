//! A client: sends a request, reads the whole response, rests, and repeats.

use std::{convert::Infallible, error::Error, net::SocketAddr, time::Duration};

use asynctop_probe::stage;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
    header::HOST,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::sleep};

use crate::{
    counter::Counter,
    failure::Failure,
    workload::net::{Attempts, NO_REPLY, describe, failure_stage},
};

type ConnectionError = Box<dyn Error + Send + Sync>;

pub(super) struct Client {
    pub address: SocketAddr,
    pub path: String,
    pub think: Duration,
    pub done: Counter,
    pub failure: Failure,
}

impl Client {
    /// Sends requests forever, and reconnects when the connection is lost.
    pub(super) async fn run(self) {
        let mut attempts = Attempts::default();
        loop {
            stage("connects");
            let pause = match TcpStream::connect(self.address).await {
                Ok(stream) => {
                    let Err(lost) = self.use_connection(stream, &mut attempts).await;
                    stage("failed: the connection broke");
                    attempts.failed(|| self.failure.report(|| format!("{NO_REPLY}: {lost}")))
                }
                Err(error) => {
                    stage(failure_stage(&error));
                    attempts.failed(|| self.failure.report(|| describe(NO_REPLY, &error)))
                }
            };
            sleep(pause).await;
        }
    }

    async fn use_connection(
        &self,
        stream: TcpStream,
        attempts: &mut Attempts,
    ) -> Result<Infallible, ConnectionError> {
        stream.set_nodelay(true)?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        // One task drives both the connection and the requests on it.
        tokio::select! {
            ended = connection => Err(ended.err().map_or("closed".into(), ConnectionError::from)),
            lost = self.send_requests(&mut sender, attempts) => lost,
        }
    }

    async fn send_requests(
        &self,
        sender: &mut SendRequest<Empty<Bytes>>,
        attempts: &mut Attempts,
    ) -> Result<Infallible, ConnectionError> {
        loop {
            let request = Request::get(&self.path).header(HOST, "localhost").body(Empty::new())?;
            stage("waits for the answer");
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            stage("reads the answer");
            response.into_body().collect().await?;
            if status != StatusCode::OK {
                return Err(format!("the service replies {status}").into());
            }
            self.done.increment();
            attempts.succeeded();
            stage("thinks");
            sleep(self.think).await;
        }
    }
}
