//! The server: connection driver, TLS, bridges, configuration, command line.

#![forbid(unsafe_code)]

pub mod acme;
pub mod admin;
pub mod admission;
pub mod attachments;
pub mod auth;
pub mod autoconfig;
pub mod bridge;
pub mod calendar;
pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
pub mod data;
pub mod deflate;
pub mod dev;
pub mod dns;
pub mod driver;
pub mod files;
pub mod inbound;
pub mod indexer;
pub mod listener;
pub mod logs;
pub mod metrics;
pub mod notify;
pub mod outbound;
pub mod pace;
pub mod privileges;
pub mod protocol;
pub mod proxy;
pub mod reports;
pub mod scan;
pub mod service;
pub mod sessions;
pub mod signing;
pub mod stack;
pub mod sts;
pub mod tls;
pub mod trainer;
pub mod transport;
