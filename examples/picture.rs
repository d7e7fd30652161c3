//! Makes the picture that README shows, from a real run: the lab on a current-thread
//! runtime, two seconds without a hog, then two beside one.
//!
//! `cargo run --release --example picture > assets/dashboard.svg`

use std::{
    fmt::Write,
    sync::mpsc,
    time::{Duration, Instant},
};

use asynctop::{
    app::{App, Settings},
    model::{Model, Refresh},
    probe::Registry,
    source::Collector,
    view,
    watch::{WatchOptions, Watchdog},
};
use asynctop_lab::{Command, Lab, LabOptions, LabSampler, find};
use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::Buffer,
    layout::Size,
    style::{Color, Modifier},
};

const SIZE: (u16, u16) = (116, 26);

fn main() -> anyhow::Result<()> {
    let lab = Lab::start(LabOptions::new(find("mixed")?))?;
    let (sender, snapshots) = mpsc::channel();
    let interval = Duration::from_millis(250);
    let watchdog = Watchdog::start(Registry::global(), WatchOptions::default())?;
    let source = LabSampler::new(&lab).with_watchdog(watchdog.handle().clone());
    let deliver = move |snapshot| sender.send(snapshot).is_ok();
    let _collector = Collector::start(vec![Box::new(source)], interval, deliver)?;
    let mut app = App::new(Settings::default(), interval);
    let mut model = Model::default();
    let mut watch = |time: Duration| -> anyhow::Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            model.advance(&*snapshots.recv()?);
            app.advance(Refresh::new(&model, app.row_query()), Duration::ZERO);
        }
        Ok(())
    };
    watch(Duration::from_secs(3))?;
    lab.execute(Command::ToggleHog);
    watch(Duration::from_millis(1_700))?;

    let mut terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1))?;
    app.set_viewport(view::viewport(&app, Size::new(SIZE.0, SIZE.1)));
    terminal.draw(|frame| view::render(&app, frame))?;
    let text = ansi(terminal.backend().buffer());
    println!("{}", anstyle_svg::Term::new().render_svg(&text));
    Ok(())
}

/// The buffer as a terminal would have received it.
fn ansi(buffer: &Buffer) -> String {
    let mut out = String::new();
    for row in buffer.content().chunks(usize::from(buffer.area.width)) {
        for cell in row {
            let mut codes = vec![0];
            let styles = [(Modifier::BOLD, 1), (Modifier::DIM, 2), (Modifier::REVERSED, 7)];
            codes.extend(styles.iter().filter(|(m, _)| cell.modifier.contains(*m)).map(|s| s.1));
            codes.extend(match cell.fg {
                Color::Red => Some(91),
                Color::Green => Some(92),
                Color::Yellow => Some(93),
                Color::Blue => Some(94),
                Color::Cyan => Some(96),
                _ => None,
            });
            let codes: Vec<String> = codes.iter().map(u8::to_string).collect();
            let _ = write!(out, "\x1b[{}m{}", codes.join(";"), cell.symbol());
        }
        out += "\x1b[0m\n";
    }
    out
}
