#pragma once
// Where zoos get the items from that their networks are trained and tested on.

#include <string>
#include <string_view>
#include <vector>

#include "weft/data/dataset.h"

namespace weft {

struct DataRequest {
  std::string folder{};              ///< of the data set's files
  std::int64_t train = 1, test = 1;  ///< items: the first of each part
  std::uint64_t seed = 0;            ///< of what is drawn
  // Texts: numbers of a word's vector, words of a text, or up to 512 of them, as the longest text has.
  std::int64_t word_size = 32, length = 64;
  bool whole_texts = false;
};

struct TrainAndTest {
  Dataset train, test;
};

/// A data set by name: a new one is its file, with a DataSource of that name, and its line in data/list.h.
struct DataSource {
  const char* name;   ///< "mnist"
  const char* text;   ///< what it is, on a line
  bool texts, files;  ///< else images; reads files, else draws
  /// Throws UsageError for more items than there are, what reading files throws.
  TrainAndTest (*load)(const DataRequest& request);
};
/// All of them, by data/list.h.
std::vector<const DataSource*> data_sources();
/// Throws UsageError for an unknown one, naming those there are.
const DataSource& data_source(std::string_view name);

/// The first items of both parts. Throws UsageError for fewer than one or more than there are.
TrainAndTest first_items(const TrainAndTest& all, const DataRequest& request);

}  // namespace weft
