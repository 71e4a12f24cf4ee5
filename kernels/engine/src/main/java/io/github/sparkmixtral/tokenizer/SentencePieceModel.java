package io.github.sparkmixtral.tokenizer;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.file.StandIn;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Reads a {@code tokenizer.model}: the fields of {@code sentencepiece_model.proto} that decide how a BPE model encodes. What
 * Mixtral's tokenizers do not use and what would change the result is refused by name.
 */
final class SentencePieceModel {
    /** Mistral's take half a megabyte as tokenizer.model and four as tokenizer.json. */
    static final long MAX_FILE_BYTES = 64L << 20;

    private static final int BPE = 2;
    private static final List<String> MODEL_TYPES = List.of("", "unigram", "BPE", "word", "char");

    private final String source;
    private final List<String> pieces = new ArrayList<>();
    private float[] scores = new float[1024];
    private int[] types = new int[1024];
    private long modelType = 1;
    private boolean byteFallback;
    private String bosPiece = "<s>";
    private String eosPiece = "</s>";
    private boolean addDummyPrefix = true;
    private boolean removeExtraWhitespaces = true;
    private boolean escapeWhitespaces = true;

    private SentencePieceModel(String source) {
        this.source = source;
    }

    static Tokenizer read(Path file) {
        return read(file, readFile(file));
    }

    static Tokenizer read(Path file, byte[] bytes) {
        SentencePieceModel model = parse(file, bytes);
        Spacing.Prefix prefix = model.addDummyPrefix ? Spacing.Prefix.ALWAYS : Spacing.Prefix.NONE;
        Vocabulary vocabulary = AddedTokens.beside(file).addedTo(model.vocabulary(), SpecialNames.beside(file));
        return Tokenizer.of(
                vocabulary, new Spacing(prefix, model.escapeWhitespaces, model.removeExtraWhitespaces, false));
    }

    static Vocabulary vocabulary(Path file) {
        return parse(file, readFile(file)).vocabulary();
    }

    private static SentencePieceModel parse(Path file, byte[] bytes) {
        SentencePieceModel model = new SentencePieceModel(file.toString());
        model.readModel(ByteBuffer.wrap(bytes));
        return model;
    }

    static byte[] readFile(Path file) {
        try {
            long size = Files.size(file);
            if (size > MAX_FILE_BYTES) {
                throw new ModelException(file + " is " + size + " bytes long, too much for a tokenizer (at most "
                        + MAX_FILE_BYTES + ")");
            }
            byte[] bytes = Files.readAllBytes(file);
            StandIn.refuse(file.toString(), MemorySegment.ofArray(bytes));
            return bytes;
        } catch (NoSuchFileException e) {
            throw new ModelException("there is no tokenizer file " + file, e);
        } catch (IOException e) {
            throw new ModelException("cannot read the tokenizer file " + file + ": " + e.getMessage(), e);
        }
    }

    private void readModel(ByteBuffer data) {
        ProtobufReader reader = new ProtobufReader(source, "ModelProto", data);
        for (int field = reader.next(); field != 0; field = reader.next()) {
            switch (field) {
                case 1 -> readPiece(reader.message("pieces"));
                case 2 -> readTrainerSpec(reader.message("trainer_spec"));
                case 3 -> readNormalizerSpec(reader.message("normalizer_spec"));
                case 5 -> readDenormalizerSpec(reader.message("denormalizer_spec"));
                default -> reader.skip();
            }
        }
    }

    private void readPiece(ProtobufReader reader) {
        String piece = "";
        float score = 0;
        long type = Vocabulary.NORMAL;
        for (int field = reader.next(); field != 0; field = reader.next()) {
            switch (field) {
                case 1 -> piece = reader.string("piece");
                case 2 -> score = reader.fixed32AsFloat("score");
                case 3 -> type = reader.varint("type");
                default -> reader.skip();
            }
        }
        int id = pieces.size();
        if (id == scores.length) {
            scores = Arrays.copyOf(scores, 2 * id);
            types = Arrays.copyOf(types, 2 * id);
        }
        pieces.add(piece);
        scores[id] = score;
        types[id] = (int) Math.clamp(type, -1, Integer.MAX_VALUE);
    }

    private void readTrainerSpec(ProtobufReader reader) {
        for (int field = reader.next(); field != 0; field = reader.next()) {
            switch (field) {
                case 3 -> modelType = reader.varint("model_type");
                case 24 -> refuse(reader.bool("treat_whitespace_as_suffix"), "trainer_spec.treat_whitespace_as_suffix");
                case 35 -> byteFallback = reader.bool("byte_fallback");
                case 46 -> bosPiece = reader.string("bos_piece");
                case 47 -> eosPiece = reader.string("eos_piece");
                default -> reader.skip();
            }
        }
    }

    private void readNormalizerSpec(ProtobufReader reader) {
        for (int field = reader.next(); field != 0; field = reader.next()) {
            switch (field) {
                case 2 -> refuse(reader.length("precompiled_charsmap") > 0, "normalizer_spec.precompiled_charsmap");
                case 3 -> addDummyPrefix = reader.bool("add_dummy_prefix");
                case 4 -> removeExtraWhitespaces = reader.bool("remove_extra_whitespaces");
                case 5 -> escapeWhitespaces = reader.bool("escape_whitespaces");
                default -> reader.skip();
            }
        }
    }

    private void readDenormalizerSpec(ProtobufReader reader) {
        for (int field = reader.next(); field != 0; field = reader.next()) {
            if (field == 2) {
                refuse(reader.length("precompiled_charsmap") > 0, "denormalizer_spec.precompiled_charsmap");
            } else {
                reader.skip();
            }
        }
    }

    private void refuse(boolean present, String field) {
        if (present) {
            throw new ModelException(source + ": " + field
                    + " is set, which Mixtral's tokenizers never do: this is the " + "tokenizer of another model");
        }
    }

    private Vocabulary vocabulary() {
        if (pieces.isEmpty()) {
            throw new ModelException(source + " is no SentencePiece model: it has no pieces");
        }
        if (modelType != BPE) {
            String name =
                    modelType > 0 && modelType < MODEL_TYPES.size() ? MODEL_TYPES.get((int) modelType) : "unknown";
            throw new ModelException(source + ": trainer_spec.model_type is " + modelType + " (" + name
                    + "), where Mixtral's tokenizers are 2 (BPE)");
        }
        int[] pieceTypes = Arrays.copyOf(types, pieces.size());
        Vocabulary vocabulary = new Vocabulary(
                source,
                pieces.toArray(String[]::new),
                Arrays.copyOf(scores, pieces.size()),
                pieceTypes,
                unknownTokenId(pieceTypes),
                controlToken("bos_piece", bosPiece),
                controlToken("eos_piece", eosPiece),
                addDummyPrefix);
        boolean bytes = Arrays.stream(pieceTypes).anyMatch(type -> type == Vocabulary.BYTE);
        if (bytes != byteFallback) {
            throw new ModelException(source + ": trainer_spec.byte_fallback is " + byteFallback + ", but there are "
                    + (bytes ? "" : "no ") + "byte pieces");
        }
        return vocabulary;
    }

    private int unknownTokenId(int[] pieceTypes) {
        int unknown = -1;
        for (int id = 0; id < pieceTypes.length; id++) {
            if (pieceTypes[id] == Vocabulary.UNKNOWN) {
                if (unknown >= 0) {
                    throw new ModelException(
                            source + ": pieces " + unknown + " and " + id + " are both of type 2 (unknown)");
                }
                unknown = id;
            }
        }
        if (unknown < 0) {
            throw new ModelException(source + ": no piece is of type 2 (unknown), such as <unk>");
        }
        return unknown;
    }

    private int controlToken(String field, String piece) {
        int id = pieces.indexOf(piece);
        if (id < 0 || types[id] != Vocabulary.CONTROL) {
            throw new ModelException(source + ": trainer_spec." + field + " is " + Vocabulary.quote(piece)
                    + ", but there is no control piece of that name");
        }
        return id;
    }
}
