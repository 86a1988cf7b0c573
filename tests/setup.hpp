// What comes before and after all tests.

#pragma once

namespace fixture {

/// Makes all message types known to CAF.
void set_up();

/// Lets go of the actors that tests have lent.
void tear_down();

} // namespace fixture
