//! Third-party programs, each under a load whose tasks are known.

use std::{fs, process::Command};

use super::{
    Folder, Program,
    running::{REQUEST, Running, Started, Truth, free_port, listen},
};

/// The port of bore's control connections, which it does not let one choose.
const BORE_PORT: u16 = 7835;

pub(super) const ALL: &[Program] = &[
    Program { name: "bore 0.5.3, server with 20 connections", build: "", start: bore_server },
    Program { name: "bore 0.5.3, client of these", build: "", start: bore_client },
    Program { name: "mini-redis 0.4.1, 30 connections", build: "", start: mini_redis },
    Program { name: "dufs 0.36.0, 35 connections", build: "", start: dufs },
    Program {
        name: "granian 2.8.9, 40 requests",
        build: "cdylib in Python, jemalloc",
        start: |folder| granian(folder, "mt", 41),
    },
    Program {
        name: "granian 2.8.9, current-thread, 40 requests",
        build: "cdylib in Python, jemalloc",
        start: |folder| granian(folder, "st", 40),
    },
    Program { name: "robyn 0.30.0, 30 requests", build: "cdylib in Python", start: robyn },
    Program { name: "deno 2.9.6, 30 requests", build: "no .eh_frame", start: deno },
    Program { name: "uv 0.13.9, 20 downloads", build: "static musl", start: uv },
];

const APPLICATION: &str = "\
import asyncio
async def app(scope, receive, send):
    if scope['type'] == 'http':
        await asyncio.sleep(3600)
";
const ROBYN_APPLICATION: &str = "\
import asyncio, sys
from robyn import Robyn
app = Robyn(__file__)
@app.get('/slow')
async def slow(request):
    await asyncio.sleep(3600)
app.start(port=int(sys.argv.pop()), url='127.0.0.1')
";
const DENO_APPLICATION: &str = "\
Deno.serve({ port: Number(Deno.args[0]), hostname: '127.0.0.1' }, async (request) => {
  await new Promise((resolve) => setTimeout(resolve, 3600000));
  return new Response('late');
});
";

/// A server, its client and 20 connections through both, in this order.
fn bore(folder: &Folder, is_server: bool) -> anyhow::Result<Running> {
    let program = folder.cargo("bore-cli", "0.5.3", "bore", true, &[])?;
    let busy = format!("another program uses port {BORE_PORT}");
    anyhow::ensure!(std::net::TcpListener::bind(("127.0.0.1", BORE_PORT)).is_ok(), busy);
    let server = Started::start(folder, Command::new(&program).arg("server"))?;
    let (listener, public) = (listen()?, free_port()?);
    let local = listener.local_addr()?.port().to_string();
    let mut command = Command::new("sh");
    // It ends if the server is not ready yet.
    command.arg("-c").arg("until \"$0\" local \"$1\" --to 127.0.0.1 -p \"$2\"; do sleep 0.2; done");
    let client = Started::start(folder, command.arg(&program).args([local, public.to_string()]))?;
    let running = match is_server {
        // For each connection one that accepts it and one that forwards it; one that serves the client.
        true => Running::new(vec![server, client], Truth::Tasks(41, 0)),
        false => Running::new(vec![client, server], Truth::Tasks(20, 0)),
    };
    Ok(running.hold(20, public, "")?.keep(listener))
}

fn bore_server(folder: &Folder) -> anyhow::Result<Running> {
    bore(folder, true)
}

fn bore_client(folder: &Folder) -> anyhow::Result<Running> {
    bore(folder, false)
}

fn mini_redis(folder: &Folder) -> anyhow::Result<Running> {
    let (server, port) = mini_redis_server(folder)?;
    // One purges expired keys.
    Running::new(vec![server], Truth::Tasks(31, 0)).hold(30, port, "")
}

/// The server and its port.
pub(super) fn mini_redis_server(folder: &Folder) -> anyhow::Result<(Started, u16)> {
    // The release itself was locked to a version of Tokio that is not supported.
    let program = folder.cargo("mini-redis", "0.4.1", "mini-redis-server", false, &[])?;
    let port = free_port()?;
    let server = Started::start(folder, Command::new(program).args(["--port", &port.to_string()]))?;
    Ok((server, port))
}

fn dufs(folder: &Folder) -> anyhow::Result<Running> {
    let program = folder.cargo("dufs", "0.36.0", "dufs", true, &["--no-default-features"])?;
    let (port, files) = (free_port()?, folder.path("files"));
    fs::create_dir_all(&files)?;
    let mut command = Command::new(program);
    command.args(["-b", "127.0.0.1", "-p", &port.to_string()]).arg(files);
    let server = Started::start(folder, &mut command)?;
    // One accepts connections.
    Running::new(vec![server], Truth::Tasks(36, 0)).hold(35, port, REQUEST)
}

fn granian(folder: &Folder, mode: &str, tasks: usize) -> anyhow::Result<Running> {
    let programs = folder.python("granian", &["granian==2.8.9"])?;
    let port = free_port()?;
    fs::write(folder.path("application.py"), APPLICATION)?;
    let mut command = Command::new(programs.join("granian"));
    command.args(["--interface", "asgi", "--port", &port.to_string()]);
    command.args([
        "--runtime-mode",
        mode,
        "--runtime-threads",
        if mode == "mt" { "2" } else { "1" },
    ]);
    let server = Started::start(folder, command.arg("application:app").current_dir(&folder.0))?;
    Running::new(vec![server], Truth::Tasks(tasks, 0)).hold(40, port, REQUEST)
}

fn robyn(folder: &Folder) -> anyhow::Result<Running> {
    let programs = folder.python("robyn", &["robyn==0.30.0"])?;
    let (port, application) = (free_port()?, folder.path("robyn_application.py"));
    fs::write(&application, ROBYN_APPLICATION)?;
    let mut command = Command::new(programs.join("python3"));
    let server = Started::start(folder, command.arg(application).arg(port.to_string()))?;
    // Two of an arbiter and two of the server's worker. All are in local sets; in this version of Tokio,
    // these are not distinguished from runtimes.
    Running::new(vec![server], Truth::Tasks(34, 0)).hold(30, port, REQUEST)
}

fn deno(folder: &Folder) -> anyhow::Result<Running> {
    let program = folder.npm("deno@2.9.6", "@deno/linux-x64-glibc/deno")?;
    let (port, application) = (free_port()?, folder.path("application.js"));
    fs::write(&application, DENO_APPLICATION)?;
    let mut command = Command::new(program);
    command.args(["run", "-A", "--no-remote"]).arg(application).arg(port.to_string());
    let server = Started::start(folder, &mut command)?;
    // Beside its own ones.
    Running::new(vec![server], Truth::Alike(30)).hold(30, port, REQUEST)
}

fn uv(folder: &Folder) -> anyhow::Result<Running> {
    let program = folder.musl_wheel("uv==0.13.9", "uv-0.13.9.data/scripts/uv")?;
    let server = listen()?;
    let index = format!("http://{}/simple", server.local_addr()?);
    let mut command = Command::new(program);
    command.args(["pip", "install", "--no-cache", "--index-url", &index, "--target"]);
    command.arg(folder.path("never")).args((0..20).map(|number| format!("package{number}")));
    let installer = Started::start(folder, &mut command)?;
    Ok(Running::new(vec![installer], Truth::Tasks(20, 0)).keep(server))
}
