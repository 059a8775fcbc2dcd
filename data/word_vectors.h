#pragma once
// Word vectors fitted on texts: a principal component analysis of positive pointwise mutual information.

#include <string>
#include <unordered_map>
#include <vector>

#include "weft/core/tensor.h"

namespace weft {

/// Words of a text, between blanks (space, tab, line ends), as they are.
std::vector<std::string_view> words_of(std::string_view text);

struct WordVectors {
  std::unordered_map<std::string, std::int32_t> places;  ///< of the words, by frequency, ties by the alphabet
  Tensor vectors;                                        ///< float32 [words, D]; the mean square of a number is 1
};

/// Of the words that occur at least `least` times. c(v, w) counts how often v and w stand at most `window` places from
/// each other; of max(0, log(c(v, w) c / (c(v) c(w)))), centred in rows and columns, the D eigenvectors whose
/// eigenvalues are largest in absolute value are taken, times the square roots of these (Levy and Goldberg 2014, in the
/// symmetric form). By subspace iteration in double, on the calling thread: the same bits for the same texts. Throws
/// UsageError for texts of fewer than D such words.
WordVectors fit_word_vectors(const std::vector<std::string>& texts, std::int64_t D, std::int64_t least = 3,
                             std::int64_t window = 5);

}  // namespace weft
