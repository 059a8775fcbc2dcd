#pragma once
// Times a body: warm-up, then repeats of at least a millisecond each; minimum and median. One row per case, as a table
// or, with --json, as JSON.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace weft::bench {

/// What one call of a body does; 0 where a rate says nothing.
struct Work {
  double flops = 0, bytes = 0;
  double items = 0;  ///< images, say
};

struct Row {
  std::string name;
  Work work;
  double min, median;  ///< seconds a call
};

class Harness {
 public:
  /// Arguments: [--json] [--repeats N] [part of the names to run]. Throws UsageError for another option.
  Harness(int argc, char** argv);

  bool wants(const std::string& name) const { return name.find(filter_) != std::string::npos; }
  /// Runs nothing if the filter leaves the name out.
  void measure(const std::string& name, Work work, const std::function<void()>& body);
  /// The report on standard output.
  void print() const;

 private:
  bool json_ = false;
  int repeats_ = 20;
  std::string filter_;
  std::vector<Row> rows_;
};

// The explicit list of the groups of cases (main.cpp calls them in this order).
void derive_cases(Harness& harness);
void equivalence_cases(Harness& harness);
void file_cases(Harness& harness);
void gemm_cases(Harness& harness);
void linear_cases(Harness& harness);
void math_cases(Harness& harness);
void memory_cases(Harness& harness);
void population_cases(Harness& harness);

}  // namespace weft::bench
