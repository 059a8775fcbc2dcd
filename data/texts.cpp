#include "weft/data/texts.h"

#include <algorithm>

namespace weft {

Texts Texts::slice(std::int64_t begin, std::int64_t end) const {
  return {name, {texts.begin() + begin, texts.begin() + end}, {labels.begin() + begin, labels.begin() + end}, classes};
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

TrainAndTest as_data(const Texts& train, const Texts& test, const DataRequest& request) {
  constexpr std::int64_t most = 512;
  const WordVectors words = fit_word_vectors(train.texts, request.word_size);
  const std::int64_t length =
      request.whole_texts ? std::min(most, std::max(longest_text(train), longest_text(test))) : request.length;
  return {tokenised(train, words, length), tokenised(test, words, length)};
}

}  // namespace weft
