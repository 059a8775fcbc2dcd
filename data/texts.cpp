#include "weft/data/texts.h"

#include <algorithm>
#include <filesystem>

#include "weft/core/error.h"
#include "weft/io/csv.h"

namespace weft {

Texts Texts::slice(std::int64_t begin, std::int64_t end) const {
  return {name, {texts.begin() + begin, texts.begin() + end}, {labels.begin() + begin, labels.begin() + end}, classes};
}

Texts load_ag_news(const std::string& folder, Key key) {
  const std::string plain = folder + "/test.csv", path = std::filesystem::exists(plain) ? plain : plain + ".gz";
  const Csv csv = Csv::read(path, Csv::Header::none);
  if (csv.columns() != 3)
    throw FormatError("[ag_news] '{}' has {} columns; allowed: 3, class, title, description", path, csv.columns());
  Texts all{"agnews", {}, {}, 4};
  for (std::int32_t place : permutation(static_cast<std::int64_t>(csv.rows()), key)) {
    const auto row = static_cast<std::size_t>(place);
    const std::int64_t label = csv.integer(row, 0);
    if (label < 1 || label > 4)
      throw FormatError("[ag_news] '{}', line {}: class {}; allowed: 1 to 4", path, csv.line(row), label);
    all.texts.emplace_back(csv.text(row, 2));
    all.labels.push_back(static_cast<std::int32_t>(label - 1));
  }
  return all;
}

Dataset tokenised(const Texts& texts, const WordVectors& words, std::int64_t length) {
  Dataset data{.name = texts.name,
               .images = {},
               .labels = Tensor::from<std::int32_t>(texts.labels, {texts.items()}),
               .classes = texts.classes,
               .tokens = Tensor::zeros({texts.items(), length}, DType::i32),
               .word_vectors = words.vectors};
  data.tokens.fill(Dataset::padding);
  for (std::int64_t i = 0; i < texts.items(); ++i) {
    std::int32_t* to = data.tokens.data<std::int32_t>() + i * length;
    std::int64_t at = 0;
    for (std::string_view word : words_of(texts.texts[static_cast<std::size_t>(i)])) {
      if (at == length) break;
      const auto found = words.places.find(std::string(word));
      to[at++] = found == words.places.end() ? Dataset::unknown : found->second;
    }
  }
  return data;
}

std::int64_t longest_text(const Texts& texts) {
  std::size_t longest = 1;
  for (const std::string& text : texts.texts) longest = std::max(longest, words_of(text).size());
  return static_cast<std::int64_t>(longest);
}

}  // namespace weft
