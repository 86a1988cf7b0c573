// What the leak sanitizer is to leave out. Not called without it.

extern "C" const char* __lsan_default_suppressions();

extern "C" const char* __lsan_default_suppressions() {
  // CAF 0.18.7 seldom leaves its broker for connections behind, with all it
  // refers to: it keeps what the broker gets after it has stopped.
  return "leak:caf::io::basp_broker\n"
         "leak:caf::io::network::default_multiplexer::new_scribe\n";
}
