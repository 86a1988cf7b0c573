// What the leak sanitizer is to leave out. Not called without it.

extern "C" const char* __lsan_default_suppressions();

extern "C" const char* __lsan_default_suppressions() {
  // CAF 0.18.7 seldom leaves a connection behind, with all it refers to, if its
  // actor system ends while it is being closed.
  return "leak:caf::io::network::default_multiplexer::new_scribe\n";
}
