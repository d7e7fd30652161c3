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
    workload::net::{Attempts, NO_REPLY, describe, failure},
};

type Lost = Box<dyn Error + Send + Sync>;

pub(super) struct Client {
    pub address: SocketAddr,
    pub path: String,
    pub think: Duration,
    pub done: Counter,
    pub failure: Failure,
}

impl Client {
    /// Asks for ever, and connects again when the connection is lost.
    pub(super) async fn run(self) {
        let mut attempts = Attempts::default();
        loop {
            stage("connects");
            let pause = match TcpStream::connect(self.address).await {
                Ok(stream) => {
                    let Err(lost) = self.converse(stream, &mut attempts).await;
                    stage("failed: the connection broke");
                    attempts.failed(|| self.failure.report(|| format!("{NO_REPLY}: {lost}")))
                }
                Err(error) => {
                    stage(failure(&error));
                    attempts.failed(|| self.failure.report(|| describe(NO_REPLY, &error)))
                }
            };
            sleep(pause).await;
        }
    }

    async fn converse(
        &self,
        stream: TcpStream,
        attempts: &mut Attempts,
    ) -> Result<Infallible, Lost> {
        stream.set_nodelay(true)?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        // One task drives both the connection and what is asked over it.
        tokio::select! {
            ended = connection => Err(ended.err().map_or("closed".into(), Lost::from)),
            never = self.ask_for_ever(&mut sender, attempts) => never,
        }
    }

    async fn ask_for_ever(
        &self,
        sender: &mut SendRequest<Empty<Bytes>>,
        attempts: &mut Attempts,
    ) -> Result<Infallible, Lost> {
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
