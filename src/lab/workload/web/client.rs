//! A client: asks, reads the whole answer, rests, asks again.

use std::{convert::Infallible, error::Error, net::SocketAddr, time::Duration};

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
    lab::{
        shared::Done,
        workload::net::{FIRST_RETRY, LAST_RETRY, failure},
    },
    stage,
};

type Failure = Box<dyn Error + Send + Sync>;

pub(super) struct Client {
    pub address: SocketAddr,
    pub path: String,
    pub think: Duration,
    pub done: Done,
}

impl Client {
    /// Asks for ever, and connects again when the connection is lost.
    pub(super) async fn run(self) {
        let mut retry = FIRST_RETRY;
        loop {
            stage("connects");
            let why = match TcpStream::connect(self.address).await {
                Ok(stream) => {
                    let before = self.done.get();
                    let Err(_) = self.converse(stream).await;
                    if self.done.get() > before {
                        retry = FIRST_RETRY;
                    }
                    "failed: the connection broke"
                }
                Err(error) => failure(&error),
            };
            stage(why);
            sleep(retry).await;
            retry = (retry * 2).min(LAST_RETRY);
        }
    }

    async fn converse(&self, stream: TcpStream) -> Result<Infallible, Failure> {
        stream.set_nodelay(true)?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        // One task drives both the connection and what is asked over it.
        tokio::select! {
            ended = connection => Err(ended.err().map_or("closed".into(), Failure::from)),
            never = self.ask_for_ever(&mut sender) => never,
        }
    }

    async fn ask_for_ever(
        &self,
        sender: &mut SendRequest<Empty<Bytes>>,
    ) -> Result<Infallible, Failure> {
        loop {
            let request = Request::get(&self.path).header(HOST, "localhost").body(Empty::new())?;
            stage("waits for the answer");
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            stage("reads the answer");
            response.into_body().collect().await?;
            if status != StatusCode::OK {
                return Err(format!("the service says {status}").into());
            }
            self.done.one();
            stage("thinks");
            sleep(self.think).await;
        }
    }
}
