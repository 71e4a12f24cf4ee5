package io.github.sparkmixtral.gguf;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.file.StandIn;
import io.github.sparkmixtral.tensor.StoredTensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A GGUF file, version 2 or 3, little-endian: magic, counts, metadata, tensor headers, padding, data
 * (<a href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md">specification</a>).
 *
 * @param file for error messages
 * @param tensors views of the mapped file, by name, in the file's order
 */
public record GgufFile(String file, GgufMetadata metadata, Map<String, StoredTensor> tensors) {
    private static final byte[] MAGIC = "GGUF".getBytes(StandardCharsets.US_ASCII);
    private static final int LONGEST_NAME = 512;
    private static final int MOST_DIMENSIONS = 4;
    private static final int MOST_TENSORS = 1 << 20;
    private static final int MOST_SHARDS = 10_000;
    private static final Pattern PART = Pattern.compile("(.*)-(\\d{5})-of-(\\d{5})\\.gguf");

    public GgufFile {
        tensors = Collections.unmodifiableMap(tensors);
    }

    /** A tensor's header. */
    private record Header(String name, List<Long> shape, int type, long offset) {}

    /**
     * Reads a file, and if it is a part of a split model ({@code NAME-00001-of-00003.gguf}) the others beside it.
     *
     * @param directory where the files lie, for error messages
     * @param files maps a file of the directory by its name; empty where there is none
     * @throws ModelException as {@link #read}, and where parts are missing or do not belong together
     */
    public static GgufFile read(String directory, String name, Function<String, Optional<MemorySegment>> files) {
        String named = directory + "/" + name;
        GgufFile file = read(
                named,
                files.apply(name).orElseThrow(() -> new ModelException("%s is missing; fetch it".formatted(named))));
        int count = file.metadata.integer("split.count").orElse(1);
        return count <= 1 ? file : join(parts(directory, name, count, files));
    }

    /** All parts of the split model that a file is one of. */
    private static List<GgufFile> parts(
            String directory, String name, int count, Function<String, Optional<MemorySegment>> files) {
        Matcher matcher = PART.matcher(name);
        if (!matcher.matches() || count > MOST_SHARDS || Integer.parseInt(matcher.group(3)) != count) {
            throw new ModelException(
                    "%s/%s is one of the %d parts of a split model, but its name does not end with -00001-of-%05d.gguf or another part's number: give all parts the names that they had, in one directory"
                            .formatted(directory, name, count, count));
        }
        List<GgufFile> parts = new ArrayList<>();
        List<String> missing = new ArrayList<>();
        for (int part = 1; part <= count; part++) {
            String partName = "%s-%05d-of-%05d.gguf".formatted(matcher.group(1), part, count);
            files.apply(partName)
                    .ifPresentOrElse(
                            content -> parts.add(read(directory + "/" + partName, content)),
                            () -> missing.add(partName));
        }
        if (!missing.isEmpty()) {
            throw new ModelException("%s lacks %d of the %d parts of the model: %s; fetch them"
                    .formatted(
                            directory,
                            missing.size(),
                            count,
                            String.join(", ", missing.subList(0, Math.min(5, missing.size())))
                                    + (missing.size() > 5 ? ", …" : "")));
        }
        return parts;
    }

    /** The first part's metadata is that of the model. */
    private static GgufFile join(List<GgufFile> parts) {
        GgufFile first = parts.getFirst();
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        for (int i = 0; i < parts.size(); i++) {
            GgufFile part = parts.get(i);
            int stated = part.metadata.integer("split.no").orElse(i);
            if (stated != i) {
                throw new ModelException(
                        "%s says that it is part %d of the model, and not part %d as its name says: give it back the name that it had"
                                .formatted(part.file, stated + 1, i + 1));
            }
            part.tensors.forEach((name, tensor) -> {
                if (tensors.put(name, tensor) != null) {
                    throw new ModelException("%s: another part has the tensor %s too".formatted(tensor.file(), name));
                }
            });
        }
        int all = first.metadata.integer("split.tensors.count").orElse(tensors.size());
        if (all != tensors.size()) {
            throw new ModelException(
                    "%s says that the model has %d tensors, but its %d parts have %d: they are of different models; fetch them again"
                            .formatted(first.file, all, parts.size(), tensors.size()));
        }
        return new GgufFile(first.file, first.metadata, tensors);
    }

    /**
     * Reads the headers of one file and checks every claim in them against the file's size. Does not touch the data.
     *
     * @param content the whole file; the tensors are views of it
     * @throws ModelException where the file is foreign, truncated or lying, naming the field
     */
    static GgufFile read(String file, MemorySegment content) {
        return read(file, content, _ -> {});
    }

    /**
     * The same for a file whose bytes come only as they are needed.
     *
     * @param content as long as the file
     * @param needed told how many bytes of the file must be there, before they are read: ever more, to the headers' end
     */
    public static GgufFile read(String file, MemorySegment content, LongConsumer needed) {
        MemorySegment readOnly = content.asReadOnly();
        needed.accept(Math.min(StandIn.BYTES, content.byteSize()));
        checkMagic(file, readOnly);
        GgufReader reader = new GgufReader(file, readOnly, MAGIC.length, needed);
        checkVersion(file, reader.int32("the version"));
        // A tensor header takes 24 bytes and a pair 13 at least, which bounds both counts by the file's size.
        long tensorCount = reader.count("the number of tensors", Math.min(MOST_TENSORS, content.byteSize() / 24));
        long pairCount = reader.count("the number of metadata pairs", content.byteSize() / 13);
        GgufMetadata metadata = GgufMetadata.read(reader, readOnly, pairCount);
        List<Header> headers = new ArrayList<>();
        for (long i = 0; i < tensorCount; i++) {
            headers.add(header(reader));
        }
        long alignment = alignment(file, metadata);
        // The padding may be missing where no tensor follows.
        long start = Math.min(content.byteSize(), Math.ceilDiv(reader.position(), alignment) * alignment);
        return new GgufFile(file, metadata, tensors(file, headers, readOnly.asSlice(start), alignment));
    }

    private static void checkMagic(String file, MemorySegment content) {
        StandIn.refuse(file, content);
        boolean gguf = content.byteSize() >= MAGIC.length
                && MemorySegment.ofArray(MAGIC).mismatch(content.asSlice(0, MAGIC.length)) < 0;
        if (!gguf) {
            throw new ModelException("%s is no GGUF file: it does not begin with GGUF".formatted(file));
        }
    }

    private static void checkVersion(String file, int version) {
        if ((version & 0xFFFF) == 0 && version != 0) {
            throw new ModelException("%s is a big-endian GGUF file, which is not supported; convert it to little-endian"
                    .formatted(file));
        }
        if (version != 2 && version != 3) {
            throw new ModelException("%s is a GGUF file of version %s; supported are 2 and 3; convert the model again"
                    .formatted(file, Integer.toUnsignedString(version)));
        }
    }

    private static Header header(GgufReader reader) {
        String name = reader.string("a tensor's name", LONGEST_NAME);
        int dimensions = reader.int32("the dimensions of tensor " + name);
        if (dimensions < 1 || dimensions > MOST_DIMENSIONS) {
            throw new ModelException("%s: tensor %s has %s dimensions; there are 1 to %d"
                    .formatted(reader.file(), name, Integer.toUnsignedString(dimensions), MOST_DIMENSIONS));
        }
        Long[] shape = new Long[dimensions];
        for (int i = 0; i < dimensions; i++) {
            // The file states the innermost dimension first.
            shape[dimensions - 1 - i] = reader.int64("the shape of tensor " + name);
        }
        int type = reader.int32("the type of tensor " + name);
        return new Header(name, Arrays.asList(shape), type, reader.int64("the offset of tensor " + name));
    }

    private static long alignment(String file, GgufMetadata metadata) {
        int alignment = metadata.integer("general.alignment").orElse(32);
        if (alignment < 1 || Integer.bitCount(alignment) != 1) {
            throw new ModelException(
                    "%s: metadata general.alignment is %d, but must be a power of two".formatted(file, alignment));
        }
        return alignment;
    }

    private static Map<String, StoredTensor> tensors(
            String file, List<Header> headers, MemorySegment data, long alignment) {
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        headers.sort(Comparator.comparingLong(Header::offset));
        String before = "";
        long end = 0;
        for (Header header : headers) {
            long bytes = bytes(file, header);
            if (header.offset() < 0
                    || header.offset() % alignment != 0
                    || header.offset() > data.byteSize()
                    || bytes > data.byteSize() - header.offset()) {
                throw new ModelException(
                        "%s: tensor %s has %d bytes at offset %s, but there are %d bytes of data, aligned to %d: the file is truncated or damaged; fetch it again"
                                .formatted(
                                        file,
                                        header.name(),
                                        bytes,
                                        Long.toUnsignedString(header.offset()),
                                        data.byteSize(),
                                        alignment));
            }
            if (header.offset() < end) {
                throw new ModelException(
                        "%s: the data of the tensors %s and %s overlap".formatted(file, before, header.name()));
            }
            before = header.name();
            end = header.offset() + bytes;
            StoredTensor tensor = new StoredTensor(
                    file,
                    header.name(),
                    GgufTensorType.name(header.type()),
                    GgufTensorType.of(header.type()),
                    header.shape(),
                    data.asSlice(header.offset(), bytes));
            if (tensors.put(header.name(), tensor) != null) {
                throw new ModelException("%s has the tensor %s twice".formatted(file, header.name()));
            }
        }
        return tensors;
    }

    /** Bytes of the tensor's data; 0 where its type is not supported, which does no harm unless the model needs the tensor. */
    private static long bytes(String file, Header header) {
        Optional<TensorType> type = GgufTensorType.of(header.type());
        long elements = 1;
        for (long dimension : header.shape()) {
            if (dimension < 1 || elements > Long.MAX_VALUE / 4 / dimension) {
                throw new ModelException("%s: tensor %s has the shape %s, which is empty, negative or too large"
                        .formatted(file, header.name(), header.shape()));
            }
            elements *= dimension;
        }
        if (type.isEmpty()) {
            return 0;
        }
        if (header.shape().getLast() % type.get().blockSize() != 0) {
            throw new ModelException("%s: tensor %s has rows of %d elements, which is no multiple of %s's block of %d"
                    .formatted(
                            file,
                            header.name(),
                            header.shape().getLast(),
                            type.get(),
                            type.get().blockSize()));
        }
        return type.get().bytes(elements);
    }
}
