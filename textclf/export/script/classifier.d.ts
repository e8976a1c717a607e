/** A label and its probability. */
export interface LabelProbability {
  label: string;
  probability: number;
}

/** What the model says of a text. */
export interface Prediction {
  /** The first of `labels`; null where there is none. */
  label: string | null;
  /** The labels that the text gets: one; of a multi-label model several or none; none where the model abstains. */
  labels: string[];
  /** The probability of the label, or of the least certain yes or no of a multi-label model. */
  confidence: number;
  /** Whether the text is left without a label, as the target precision asks for. */
  abstained: boolean;
  /** How many of the text's words have a vector. */
  knownWords: number;
  /** The likeliest labels, likeliest first. */
  probabilities: LabelProbability[];
}

/** A token of a text, or what stands between two, and what it adds to the score. */
export interface TextPart {
  text: string;
  /** Where it stands in `shown`, as for `shown.slice(start, end)`. */
  start: number;
  end: number;
  contribution: number;
  isToken: boolean;
}

/** Why a text has its score for a label: `base` and all contributions add up to `score`. */
export interface Explanation {
  label: string;
  probability: number;
  /** The label's logit minus the mean of the other labels'. */
  score: number;
  /** The score of an empty text. */
  base: number;
  /** What places refer to: the text, or its normal form where places in the text cannot be told. */
  shown: string;
  parts: TextPart[];
}

export interface ClassifyOptions {
  /** How many of the likeliest labels are given; all by default. */
  topK?: number;
}

export interface ExplainOptions {
  /** The label to explain; the likeliest by default. */
  label?: string;
}

/** A model: the one of this file, or another whose bytes were read from a model file of textclf. */
export declare class Classifier {
  /** Throws an Error when the bytes are no model file. */
  constructor(bytes: ArrayBuffer | Uint8Array);
  readonly labels: readonly string[];
  readonly isMultiLabel: boolean;
  /** Return the labels of a text, how sure they are, and the probabilities of the likeliest labels. */
  classify(text: string, options?: ClassifyOptions): Prediction;
  /** Return what each word of a text adds to a label's score. Throws an Error for a multi-label model. */
  explain(text: string, options?: ExplainOptions): Explanation;
  /** Return the probability of each label, in the order of `labels`. */
  probabilities(text: string): Float64Array;
  /** Return the tokens of a text, in normal form. */
  tokenize(text: string): string[];
}

/** The model of this file. */
declare const model: Classifier;
export default model;
