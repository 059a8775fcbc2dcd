#pragma once
// Numbers on the command line: read whole, within limits that say why they are there.

#include <cstdint>
#include <limits>
#include <string>

#include <CLI/CLI.hpp>

namespace weft::apps {

/// A whole number in decimal digits, `low` to `high`; `why` says what sets the upper limit: "all lie in memory". Goes
/// to CLI::Option::transform(): CLI11 by itself would clamp what is too large and read 010 as eight.
template <class Integer>
CLI::Validator whole(Integer low, Integer high, const std::string& why = "");
extern template CLI::Validator whole(std::int64_t, std::int64_t, const std::string&);
extern template CLI::Validator whole(std::uint64_t, std::uint64_t, const std::string&);

/// A number in decimal notation, `low` to `high`.
CLI::Validator real(double low, double high, const std::string& why = "");

/// A finite number above 0, at most `high`.
CLI::Validator positive(double high = std::numeric_limits<double>::max(), const std::string& why = "");

// The sizes that several verbs have.
CLI::Validator networks_limit();
CLI::Validator items_limit();   ///< images or texts
CLI::Validator epochs_limit();  ///< and patience
CLI::Validator batch_limit();
CLI::Validator strength_limit();  ///< k of scales up to 10^k
CLI::Validator split_limit();

}  // namespace weft::apps
