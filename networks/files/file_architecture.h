#pragma once
// The architecture of the network in a file of tensors (spec 8.8), and the config that lies beside it.

#include <filesystem>
#include <optional>

#include "weft/io/tensor_file.h"
#include "weft/networks/files/find.h"

namespace weft {

/// As found_architecture(), of the file's tensors, or of those below a name under which programs keep a network among
/// other things: `state_dict.`, `model.`, `module.` and the like, also within each other. The rest of such a file is no
/// part of the network. `text` is the architecture that it has to be; without one, all of weft's are tried.
/// `config` is what a config.json says, or an object without members: then the file's own records below `config.`
/// serve. Throws FormatError, as that does.
FoundArchitecture file_architecture(const TensorFile& file, const Json& config,
                                    const std::optional<ArchitectureText>& text = {});

/// What a user names an architecture by: one of weft's, or the path of a file with a text of one's own, which then has
/// the file's name. Throws UsageError for an unknown name, ReadError for a path without a file, ParseError.
ArchitectureText architecture_text_of(const std::string& name_or_path);

/// What a config.json of a Hugging Face model says. Throws ReadError, and FormatError for what is no object of JSON.
Json read_config(const std::filesystem::path& path);
/// That of a file: NAME.config.json or config.json beside it, of a folder the latter within; an object without members
/// where there is none. Of `net.moved.safetensors` both `net.moved` and `net` are names.
Json config_beside(const std::filesystem::path& path);

/// The tensors of numbers with a point that no window of `files` shows.
std::vector<std::string> uncovered(const TensorFile& file, const FileSpace& files);

}  // namespace weft
