// The module weft._core.

#include "bindings.h"

#include "weft/core/parallel.h"

NB_MODULE(_core, m) {
  using namespace weft::python;
  m.doc() = "The binding of weft's library in C++; its names are those of the package `weft`.";
  m.attr("__version__") = WEFT_VERSION;
  bind_errors(m);
  bind_spaces(m);
  bind_elements(m);
  bind_networks(m);
  bind_acting(m);
  bind_terms(m);
  bind_steps(m);
  bind_modules(m);
  bind_layers(m);
  bind_zoos(m);
  bind_training(m);
  m.def("threads", &weft::threads, "How many threads weft's loops run on: WEFT_THREADS, or the processors.");
  m.def("set_threads", &weft::set_threads, "n"_a, "Raises UsageError for fewer than 1 or more than 1024.");
}
