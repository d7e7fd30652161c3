//! Messages of a watched program.

use std::{io, time::Duration};

use asynctop::snapshot::{Target, text::is_control};
use asynctop::{
    app::Settings,
    model::{Model, Refresh},
    report::{Summary, csv, json, text},
    screens,
    source::attach::{Program, limits, sample_connected},
};
use prost::Message;
use ratatui::{Terminal, backend::TestBackend, layout::Size};

use super::{bytes::Bytes, update::update};

/// Applies updates made from the bytes, some of them damaged, and draws screens and reports of the
/// result. Returns the number of updates that could be read.
///
/// Checks that the parts of each lifetime add up, that the limits hold, and that no control
/// character reaches a cell of the screen or a report.
pub fn attach(data: &[u8]) -> usize {
    let mut bytes = Bytes(data);
    let mut program = Program::new("t");
    let mut updates = 0;
    while !bytes.is_empty() {
        let message = message(&mut bytes);
        updates += usize::from(program.apply(&message, bytes.time()).is_ok());
        if bytes.one_in(40) {
            program.connected();
        }
        if bytes.one_in(60) {
            draw(&program, &mut bytes);
        }
    }
    draw(&program, &mut bytes);
    updates
}

/// The bytes of a message: an update, a damaged one, or noise.
fn message(bytes: &mut Bytes<'_>) -> Vec<u8> {
    if bytes.one_in(10) {
        let length = bytes.below(300) as usize;
        return bytes.take(length).to_vec();
    }
    let mut message = update(bytes).encode_to_vec();
    if bytes.one_in(3) && !message.is_empty() {
        for _ in 0..=bytes.below(6) {
            let at = bytes.below(message.len() as u64) as usize;
            message[at] = bytes.word() as u8;
        }
    }
    if bytes.one_in(10) {
        message.truncate(bytes.below(message.len() as u64 + 1) as usize);
    }
    message
}

/// Draws some screens and checks them.
fn draw(program: &Program, bytes: &mut Bytes<'_>) {
    let mut app = screens::new_app(Settings::default(), Duration::from_millis(250));
    let mut model = Model::default();
    for _ in 0..2 {
        let target = sample_connected(program, bytes.time());
        check(&target);
        let snapshot = target.into();
        model.advance(&snapshot);
        app.advance(Refresh::new(&model, app.row_query().clone()), Duration::ZERO);
    }
    report(&model);
    let (width, height) = (1 + bytes.below(160) as u16, 1 + bytes.below(50) as u16);
    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
    for key in ['1', '2', '7', 'j', '\n', '?', '1', 'j', '\n'] {
        let code = match key {
            '\n' => crossterm::event::KeyCode::Enter,
            key => crossterm::event::KeyCode::Char(key),
        };
        app.key(crossterm::event::KeyEvent::from(code), Duration::from_secs(1));
        app.set_viewport(screens::viewport(&app, Size::new(width, height)));
        let Ok(frame) = terminal.draw(|frame| drop(screens::render(&app, frame)));
        let cells = frame.buffer.content();
        assert!(!cells.iter().any(|cell| cell.symbol().contains(is_control)));
    }
}

/// Writes a report in each format and checks it.
fn report(model: &Model) {
    let written = |write: &dyn Fn(&mut Vec<u8>) -> io::Result<()>| {
        let mut out = Vec::new();
        write(&mut out).expect("writing to a Vec does not fail");
        String::from_utf8(out).expect("UTF-8")
    };
    let summary = Summary::default();
    let text = written(&|out| text::write(model, &summary, false, out));
    let json = written(&|out| json::write(model, &summary, out));
    let line = written(&|out| json::write_line(model, &summary, out));
    let csv = written(&|out| csv::write(model, out));
    assert_eq!(line.lines().count(), 1);
    let target = &model.snapshot().targets[0];
    let resources = target.resources.as_deref();
    let further = resources.map_or([0; 2], |all| [all.resources.len(), all.async_ops.len()]);
    // An empty line and the names of the columns precede the rows of a further table.
    let further = further.map(|rows| if rows == 0 { 0 } else { rows + 2 });
    let tables = 1 + target.tasks.len() + further.iter().sum::<usize>();
    assert_eq!(csv.lines().count(), tables);
    let formula = |field: &str| field.starts_with(['=', '+', '-', '@']);
    assert!(!csv.split([',', '"', '\n']).any(formula), "{csv}");
    for report in [text, json, line, csv.replace("\r\n", "\n")] {
        assert!(!report.replace('\n', "").contains(is_control), "{report:?}");
    }
}

fn check(snapshot: &Target) {
    assert!(snapshot.tasks.len() <= limits::TASKS);
    assert!(snapshot.tasks.is_sorted_by_key(|task| task.key));
    for task in &snapshot.tasks {
        let parts = [task.busy_ns, task.scheduled_ns, task.idle_ns];
        assert_eq!(parts.iter().sum::<u64>(), task.lifetime_ns);
        assert!(task.meta.name.len() <= limits::NAME_BYTES);
    }
}
