#include "weft/io/mapped_file.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "weft/core/error.h"
#include "weft/io/descriptor.h"
#include "weft/io/text.h"

namespace weft {

MappedFile::MappedFile(const std::filesystem::path& path) {
  auto fail = [&](const std::string& why) { throw ReadError("[read] {}: {}", in_quotes(path.native()), why); };
  // Without O_NONBLOCK, opening a pipe would wait for a writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0) fail(error_text(errno));
  if (S_ISDIR(info.st_mode)) fail(error_text(EISDIR));
  if (!S_ISREG(info.st_mode)) fail("not a regular file");
  if (info.st_size == 0) return;  // which mmap refuses
  size_ = static_cast<std::size_t>(info.st_size);
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) fail(error_text(errno));
  data_ = static_cast<const std::byte*>(data);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace weft
