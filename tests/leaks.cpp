// What the leak sanitizer is to leave out. Not called without it.

extern "C" const char* __lsan_default_suppressions();

extern "C" const char* __lsan_default_suppressions() {
  // CAF 0.18.7 seldom leaves its broker for connections behind, with all it
  // refers to: it keeps what the broker gets after it has stopped.
  // CAF, 1.1.0 as well, leaves a port behind that is closed in the same cycle
  // of its event loop in which it has been opened, as when a join fails at
  // once: one of ten ports that are published and closed again.
  return "leak:caf::io::basp_broker\n"
         "leak:caf::io::network::default_multiplexer::new_scribe\n"
         "leak:caf::io::network::default_multiplexer::new_tcp_doorman\n";
}
