use crossterm::event::{
    Event::{self, FocusGained, FocusLost},
    KeyCode::{self, *},
    KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use proptest::prelude::*;

use super::*;

const SHIFT: KeyModifiers = KeyModifiers::SHIFT;
const ALT: KeyModifiers = KeyModifiers::ALT;
const CONTROL: KeyModifiers = KeyModifiers::CONTROL;

/// The events of packets that arrive without a pause, and of the pause after the last.
fn parse(packets: &[&[u8]]) -> Vec<Event> {
    let (mut parser, mut events) = (Parser::default(), Vec::new());
    for packet in packets {
        parser.feed(packet, &mut events);
    }
    pause(&mut parser, &mut events);
    events
}

fn pause(parser: &mut Parser, events: &mut Vec<Event>) {
    if parser.wait().is_some() {
        parser.give_up(events);
    }
    assert_eq!(parser.wait(), None, "one pause ends every sequence");
}

fn typed(text: &str) -> Vec<Event> {
    text.chars().map(|c| character(c, false)).collect()
}

/// Every key, with the bytes that terminals send for it.
fn keys() -> Vec<(Vec<u8>, Event)> {
    let mut all: Vec<(Vec<u8>, Event)> = Vec::new();
    let mut add = |bytes: &[u8], code: KeyCode, modifiers| {
        all.push((bytes.to_vec(), key(code, modifiers)));
    };
    for c in ' '..='~' {
        let shift = if c.is_ascii_uppercase() { SHIFT } else { NONE };
        add(&[c as u8], Char(c), shift);
        if !"[O]P_^X".contains(c) {
            add(&[ESC, c as u8], Char(c), shift | ALT);
        }
    }
    for c in ['é', 'Ж', '漢', '🦀'] {
        let shift = if c.is_uppercase() { SHIFT } else { NONE };
        add(c.to_string().as_bytes(), Char(c), shift);
        add(format!("\x1b{c}").as_bytes(), Char(c), shift | ALT);
    }
    for (byte, code, modifiers) in [
        (b'\r', Enter, NONE),
        (b'\t', Tab, NONE),
        (0x7f, Backspace, NONE),
        (0x00, Char(' '), CONTROL),
        (0x03, Char('c'), CONTROL),
        (0x15, Char('u'), CONTROL),
        (0x1a, Char('z'), CONTROL),
        (0x1c, Char('4'), CONTROL),
    ] {
        add(&[byte], code, modifiers);
        add(&[ESC, byte], code, modifiers | ALT);
    }
    let named = [
        ('A', Up),
        ('B', Down),
        ('C', Right),
        ('D', Left),
        ('E', KeypadBegin),
        ('F', End),
        ('H', Home),
        ('P', F(1)),
        ('Q', F(2)),
        ('S', F(4)),
    ];
    for (last, code) in named {
        add(format!("\x1b[{last}").as_bytes(), code, NONE);
        add(format!("\x1bO{last}").as_bytes(), code, NONE);
        add(format!("\x1b[1;5{last}").as_bytes(), code, CONTROL);
        add(format!("\x1b[1;4{last}").as_bytes(), code, SHIFT | ALT);
    }
    let numbered = [
        (1, Home),
        (2, Insert),
        (3, Delete),
        (4, End),
        (5, PageUp),
        (6, PageDown),
        (7, Home),
        (8, End),
        (11, F(1)),
        (15, F(5)),
        (17, F(6)),
        (21, F(10)),
        (23, F(11)),
        (24, F(12)),
    ];
    for (number, code) in numbered {
        add(format!("\x1b[{number}~").as_bytes(), code, NONE);
        add(format!("\x1b[{number};2~").as_bytes(), code, SHIFT);
    }
    add(b"\x1b[Z", BackTab, SHIFT);
    add(b"\x1bOM", Enter, NONE);
    add(b"\x1bOp", Char('0'), NONE);
    add(b"\x1b[[C", F(3), NONE);
    all
}

/// Terminal reports that are not keys.
const REPORTS: &[&[u8]] = &[
    b"\x1b[?2026;2$y",
    b"\x1b[?64;1;2;6;22c",
    b"\x1b[>1;10;0c",
    b"\x1b[?1u",
    b"\x1b[24;80R",
    b"\x1b[1;5R",
    b"\x1b[0n",
    b"\x1b[8;24;80t",
    b"\x1b[201~",
    b"\x1b[99~",
    b"\x1b[1;999A",
    b"\x1b]11;rgb:1e1e/1e1e/2e2e\x07",
    b"\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\",
    b"\x1b]52;c;\xc3\xa9\x1b\\",
    b"\x1bP>|XTerm(390)\x1b\\",
    b"\x1bP1+r544e=787465726d\x1b\\",
    b"\x1b_Gi=31;OK\x1b\\",
    b"\x1b^private\x1b\\",
    b"\x1bXstart\x1b\\",
    b"\xff",
    b"\x80",
];

/// Bytes, and the events that they represent.
fn tokens() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<Event>)>> {
    let keys: Vec<_> = keys().into_iter().map(|(bytes, event)| (bytes, vec![event])).collect();
    let reports: Vec<_> = REPORTS.iter().map(|bytes| (bytes.to_vec(), Vec::new())).collect();
    let paste = "[a-z/\r\n\t\u{1b}\\[é]{0,12}".prop_map(|text| {
        let bytes = [b"\x1b[200~", text.as_bytes(), PASTE_END].concat();
        (bytes, vec![Event::Paste(text)])
    });
    let click = (1u16..300, 1u16..300).prop_map(|(column, row)| {
        let kind = MouseEventKind::Down(MouseButton::Left);
        let click = MouseEvent { kind, column: column - 1, row: row - 1, modifiers: NONE };
        (format!("\x1b[<0;{column};{row}M").into_bytes(), vec![Event::Mouse(click)])
    });
    let token = prop_oneof![
        4 => proptest::sample::select(keys),
        4 => proptest::sample::select(reports),
        1 => paste,
        1 => click,
    ];
    proptest::collection::vec(token, 0..12)
}

/// `bytes` in packets that end at `cuts`.
fn packets<'a>(bytes: &'a [u8], cuts: &[proptest::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut begin = 0;
    ends.iter().map(|end| &bytes[std::mem::replace(&mut begin, *end)..*end]).collect()
}

fn cuts() -> impl Strategy<Value = Vec<proptest::sample::Index>> {
    proptest::collection::vec(any::<proptest::sample::Index>(), 0..8)
}

proptest! {
    /// Keys, reports, pastes and clicks in any packets: the events are those that were sent.
    #[test]
    fn keys_are_neither_added_nor_lost(tokens in tokens(), cuts in cuts()) {
        let bytes: Vec<u8> = tokens.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let sent: Vec<Event> = tokens.into_iter().flat_map(|(_, events)| events).collect();
        prop_assert_eq!(parse(&packets(&bytes, &cuts)), sent);
    }

    /// Arbitrary bytes: packets do not change the events, and after a pause every key works again.
    #[test]
    fn keys_work_after_arbitrary_bytes(
        bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), proptest::sample::select(&b"\x1b[]OP_M?;<0129~\\\x07\x03"[..])],
            0..40,
        ),
        cuts in cuts(),
        at in any::<proptest::sample::Index>(),
    ) {
        let whole = parse(&[&bytes]);
        prop_assert_eq!(&parse(&packets(&bytes, &cuts)), &whole);
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        parser.feed(&bytes, &mut events);
        pause(&mut parser, &mut events);
        prop_assert_eq!(&events, &whole);
        let keys = keys();
        let (bytes, event) = &keys[at.index(keys.len())];
        events.clear();
        parser.feed(bytes, &mut events);
        prop_assert_eq!(&events, std::slice::from_ref(event));
    }

    /// Ctrl-C is recognized at once, also in an unfinished sequence: only a paste may contain it.
    #[test]
    fn ctrl_c_interrupts_every_sequence(at in 0..REPORTS.len(), cut in any::<proptest::sample::Index>()) {
        let report = REPORTS[at];
        let begun = &report[..1 + cut.index(report.len())];
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        parser.feed(begun, &mut events);
        parser.feed(&[0x03], &mut events);
        let pressed = |event: &Event| matches!(
            event,
            Event::Key(KeyEvent { code: Char('c'), modifiers, .. }) if modifiers.contains(CONTROL)
        );
        prop_assert!(events.last().is_some_and(pressed), "{begun:?}: {events:?}");
    }
}

#[test]
fn every_key_is_parsed() {
    for (bytes, event) in keys() {
        assert_eq!(parse(&[&bytes]), [event], "{}", bytes.escape_ascii());
    }
}

#[test]
fn escape_waits_for_the_rest_of_a_sequence() {
    let (mut parser, mut events) = (Parser::default(), Vec::new());
    parser.feed(b"\x1b", &mut events);
    assert_eq!((events.len(), parser.wait()), (0, Some(ESCAPE_WAIT)));
    parser.feed(b"[A", &mut events);
    assert_eq!((&events[..], parser.wait()), (&[key(Up, NONE)][..], None));
    assert_eq!(parse(&[b"\x1b"]), [key(Esc, NONE)]);
    assert_eq!(parse(&[b"\x1b\x1b"]), [key(Esc, NONE), key(Esc, NONE)]);
    assert_eq!(parse(&[b"\x1b\x1b[A"]), [key(Esc, NONE), key(Up, NONE)]);
}

#[test]
fn alt_with_a_character_that_introduces_a_sequence() {
    for c in "[O]P_^X".chars() {
        let shift = if c.is_uppercase() { SHIFT } else { NONE };
        let alt = key(Char(c), ALT | shift);
        assert_eq!(parse(&[format!("\x1b{c}").as_bytes()]), [alt], "{c}");
    }
    assert_eq!(parse(&[b"\x1b[["]), [key(Char('['), ALT), key(Char('['), NONE)]);
    assert_eq!(parse(&[b"\x1b[\r"]), [key(Char('['), ALT), key(Enter, NONE)]);
}

#[test]
fn key_after_a_pause_is_not_part_of_a_truncated_sequence() {
    for begun in [&b"\x1b[?2026"[..], b"\x1b]11;rgb:12", b"\x1bP>|", b"\x1b[M  ", b"\xf0\x9f"] {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        parser.feed(begun, &mut events);
        assert_eq!((events.len(), parser.wait()), (0, Some(SEQUENCE_WAIT)));
        parser.give_up(&mut events);
        parser.feed(b"q", &mut events);
        assert_eq!(events, typed("q"), "{}", begun.escape_ascii());
    }
}

#[test]
fn truncated_sequence_is_dropped_when_the_next_one_begins() {
    assert_eq!(parse(&[b"\x1b]11;rgb:12\x1b[A"]), [key(Up, NONE)]);
    assert_eq!(parse(&[b"\x1b[?2026\x1b[B"]), [key(Down, NONE)]);
    assert_eq!(parse(&[b"\xf0\x9fq"]), typed("q"));
    assert_eq!(parse(&["\u{1f980}é".as_bytes()]), typed("\u{1f980}é"));
    assert_eq!(parse(&[b"\xc3\xc3\xa9"]), typed("é"));
}

#[test]
fn paste_is_one_event() {
    let pasted = Event::Paste("quit\x1b[A\nb".to_owned());
    assert_eq!(
        parse(&[b"\x1b[200~quit\x1b[A\nb\x1b[201~q"]),
        [&[pasted][..], &typed("q")].concat()
    );
    let (mut parser, mut events) = (Parser::default(), Vec::new());
    parser.feed(b"\x1b[200~cut", &mut events);
    assert_eq!(parser.wait(), Some(PASTE_WAIT));
    parser.give_up(&mut events);
    parser.feed(b"q", &mut events);
    assert_eq!(events, [&[Event::Paste("cut".to_owned())][..], &typed("q")].concat());
}

#[test]
fn memory_is_bounded() {
    let long = vec![b'1'; 10 * MAX_PASTE];
    let Event::Paste(text) = &parse(&[b"\x1b[200~", &long, PASTE_END])[0] else {
        panic!("no paste")
    };
    assert_eq!(text.len(), MAX_PASTE);
    let mut parser = Parser::default();
    for begin in [&b"\x1b["[..], b"\x1bO", b"\x1b]"] {
        let mut events = Vec::new();
        parser.feed(begin, &mut events);
        parser.feed(&long, &mut events);
        assert!(parser.buffer.len() <= MAX_PARAMETERS + 1);
        parser.feed(b"~\x07", &mut events);
        assert!(events.iter().all(|event| *event == control_key('g', false)), "{events:?}");
    }
}

#[test]
fn mouse_reports_in_three_encodings() {
    let mouse = |kind, modifiers| Event::Mouse(MouseEvent { kind, column: 9, row: 4, modifiers });
    let left = MouseButton::Left;
    let right = MouseButton::Right;
    for (bytes, kind, modifiers) in [
        (&b"\x1b[<0;10;5M"[..], MouseEventKind::Down(left), NONE),
        (b"\x1b[<2;10;5m", MouseEventKind::Up(right), NONE),
        (b"\x1b[<32;10;5M", MouseEventKind::Drag(left), NONE),
        (b"\x1b[<35;10;5M", MouseEventKind::Moved, NONE),
        (b"\x1b[<64;10;5M", MouseEventKind::ScrollUp, NONE),
        (b"\x1b[<81;10;5M", MouseEventKind::ScrollDown, CONTROL),
        (b"\x1b[<4;10;5M", MouseEventKind::Down(left), SHIFT),
        (b"\x1b[32;10;5M", MouseEventKind::Down(left), NONE),
        (b"\x1b[M *%", MouseEventKind::Down(left), NONE),
        (b"\x1b[M#*%", MouseEventKind::Up(left), NONE),
    ] {
        assert_eq!(parse(&[bytes]), [mouse(kind, modifiers)], "{}", bytes.escape_ascii());
    }
    for bytes in [&b"\x1b[<0;10M"[..], b"\x1b[<0;10;5;1M", b"\x1b[<999;1;1M", b"\x1b[5;1;1M"] {
        assert_eq!(parse(&[bytes]), [], "{}", bytes.escape_ascii());
    }
    assert_eq!(parse(&[b"\x1b[I\x1b[O"]), [FocusGained, FocusLost]);
}

#[test]
fn answer_with_the_background_is_no_key_and_is_kept() {
    for end in ["\x07", "\x1b\\"] {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        parser.feed(format!("a\x1b]11;rgb:ffff/ffff/0000{end}b").as_bytes(), &mut events);
        assert_eq!(events, typed("ab"));
        assert_eq!(parser.take_background(), Some([1.0, 1.0, 0.0]));
        assert_eq!(parser.take_background(), None);
    }
    // Another string, a truncated one, and one that is too long.
    let long = format!("\x1b]11;rgb:{}\x07", "f".repeat(100));
    for other in ["\x1b]10;rgb:ffff/ffff/ffff\x07", "\x1b]11;rgb:ffff/ff\x1b[A", &*long] {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        parser.feed(other.as_bytes(), &mut events);
        assert_eq!(parser.take_background(), None, "{other:?}");
    }
}
