#include "weft/zoo/fold_network.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/io/text.h"
#include "weft/networks/files/fold.h"

namespace weft {

namespace {

/// A text of one's own may have folds that fit nothing.
Folded folded_by_text(const NetworkSource& source, const std::vector<Tensor>& weights) {
  try {
    return fold(source.architecture, weights);
  } catch (const ParseError& error) {
    throw FormatError("[fold] {} as {}: {}", in_quotes(source.file.file()), source.architecture.name,
                      without_sender(error.what()));
  }
}

}  // namespace

FoldedNetwork fold(const NetworkFile& network) {
  if (!network.source)
    throw UsageError("[fold] this network was not read from a file; allowed: what NetworkFile::load gave");
  const NetworkSource& source = *network.source;
  const FoundArchitecture& architecture = source.architecture;
  const std::string file = in_quotes(source.file.file());
  if (architecture.name.ends_with(folded_suffix))
    throw UsageError("[fold] {} is {}: it is folded already", file, architecture.name);
  const FileText& text = architecture.files.text;
  if (text.folds.empty() && !text.unfolded.empty())
    throw UsageError("[fold] {} is {}, in which nothing folds: {}", file, architecture.name,
                     fmt::join(text.unfolded, "; "));
  if (text.folds.empty())
    throw UsageError("[fold] {} is {}, whose text says no folds of what it has; give one that does (--architecture)",
                     file, architecture.name.empty() ? "a network of its own space" : architecture.name);
  source.require_known();
  Folded folded = folded_by_text(source, network.weights);
  if (folded.done.empty() && folded.files.space == network.space)
    throw UsageError("[fold] {} is {}, and has nothing of what its text folds", file, architecture.name);
  FoldedNetwork out{{folded.files.space, std::move(folded.weights), network.metadata},
                    std::move(folded.done),
                    text.unfolded,
                    std::move(folded.config)};
  const std::string name = architecture.name + std::string(folded_suffix);
  out.network.source = std::make_shared<const NetworkSource>(
      NetworkSource{source.file, {name, std::move(folded.files), {}}, source.dtype, source.coarsest});
  return out;
}

}  // namespace weft
