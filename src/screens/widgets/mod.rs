//! The parts that screens are made of: a canvas, tables and bars, and the lines above and below the
//! body of a screen.
//!
//! They depend on the state and the theme, and on no screen.

pub mod banner;
pub mod bars;
pub mod blocks;
pub mod canvas;
pub mod chart;
pub mod columns;
pub mod footer;
pub mod graph;
pub mod graphs;
pub mod header;
pub mod histogram;
pub mod history_graph;
pub mod hit_map;
pub mod location;
pub mod preview;
pub mod stack;
pub mod table;
pub mod targets;
pub mod task_facts;
pub mod title;
pub mod worker_bars;
