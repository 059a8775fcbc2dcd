#pragma once
// Labelled texts, and how they become data sets of tokens.

#include <string>
#include <vector>

#include "weft/core/random.h"
#include "weft/data/source.h"
#include "weft/data/word_vectors.h"

namespace weft {

struct Texts {
  std::string name;
  std::vector<std::string> texts;
  std::vector<std::int32_t> labels;
  std::int64_t classes = 4;

  std::int64_t items() const { return static_cast<std::int64_t>(texts.size()); }
  Texts slice(std::int64_t begin, std::int64_t end) const;
};

/// Rows of AG News, `<folder>/test.csv[.gz]` without a header: class 1 to 4, title, description; the description is the
/// text. Shuffled by `key`. Throws DiskError; FormatError for another number of columns or another class.
Texts load_ag_news(const std::string& folder, RandomKey key);

/// Texts of four topics from templates, with words of their own, common words and words of other topics as noise: the
/// embedded data set. Item i depends on (key, i) only.
Texts draw_topics(std::int64_t items, RandomKey key);

/// Words become rows of the vectors; unknown ones and padding stand for zero vectors. Longer texts are cut.
Dataset tokenised(const Texts& texts, const WordVectors& words, std::int64_t length);

/// Both parts, with word vectors fitted on the texts to train on.
TrainAndTest as_data(const Texts& train, const Texts& test, const DataRequest& request);

/// The words of the longest text, at least 1.
std::int64_t longest_text(const Texts& texts);

}  // namespace weft
