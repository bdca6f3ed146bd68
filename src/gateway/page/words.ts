/** The words of the page, in English and Russian. */
const WORDS = {
  chat: ['Chat', 'Чат'],
  tasks: ['Tasks', 'Задачи'],
  agents: ['Agents', 'Агенты'],
  search: ['Search', 'Поиск'],
  charts: ['Charts', 'Графики'],
  connect: ['Connect', 'Подключить'],
  language: ['Русский', 'English'],
  sections: ['Sections', 'Разделы'],
  model: ['Model', 'Модель'],
  message: ['Message', 'Сообщение'],
  send: ['Send', 'Отправить'],
  stop: ['Stop', 'Остановить'],
  fresh: ['New chat', 'Новый чат'],
  attach: ['Attach an image', 'Приложить картинку'],
  attached: ['Attached', 'Приложено'],
  thinking: ['Thinking', 'Размышление'],
  you: ['You', 'Вы'],
  waiting: ['waiting for an agent …', 'ждёт агента …'],
  stopped: ['stopped', 'остановлено'],
  failed: ['It failed', 'Не получилось'],
  noModels: ['no agent has said which models it has', 'ни один агент не сказал, какие у него модели'],
  state: ['State', 'Состояние'],
  question: ['Question', 'Вопрос'],
  answer: ['Answer', 'Ответ'],
  asker: ['Asker', 'Кто спросил'],
  agent: ['Agent', 'Агент'],
  age: ['Age', 'Возраст'],
  place: ['Place', 'Место'],
  moreWait: ['More that wait', 'Ещё ждут'],
  about: ['about', 'примерно'],
  waitsFor: ['waits for', 'ждёт'],
  waitsForServer: ['waits for its model server', 'ждёт сервер моделей'],
  loading: ['loading', 'загружает'],
  generating: ['generating', 'генерирует'],
  isBusy: ['busy', 'занят'],
  noServer: ['reaches no model server', 'сервер моделей недоступен'],
  lastSeen: ['last seen', 'был на связи'],
  ago: ['ago', 'назад'],
  wakes: ['is waking it', 'будит его'],
  stepsIn: ['steps in after', 'подменит через'],
  backends: ['Model servers', 'Серверы моделей'],
  models: ['Models', 'Модели'],
  can: ['Can', 'Умеет'],
  loaded: ['In memory', 'В памяти'],
  seen: ['Last seen', 'Был на связи'],
  has: ['Has it', 'Есть у'],
  yes: ['yes', 'да'],
  no: ['no', 'нет'],
  none: ['none', 'нет'],
  pending: ['pending', 'ждёт'],
  running: ['running', 'в работе'],
  done: ['done', 'готово'],
  error: ['error', 'ошибка'],
  cancelled: ['cancelled', 'отменено'],
  expired: ['expired', 'истекло'],
  there: ['running', 'на связи'],
  busy: ['Works on', 'В работе'],
  stoppedAgent: ['stopped', 'остановлен'],
  gone: ['gone', 'пропал'],
  record: ['Record', 'Запись'],
  commit: ['Commit', 'Коммит'],
  gitCommand: ['The same in git', 'То же в git'],
  tooLong: ['too long to be shown here', 'слишком длинно, чтобы показать здесь'],
  cancelTask: ['Cancel it', 'Отменить'],
  words: ['Words to look for', 'Что искать'],
  found: ['found', 'найдено'],
  most: ['the most', 'максимум'],
  answersAnHour: ['Answers an hour', 'Ответов в час'],
  waitSeconds: ['Question to answer, seconds', 'От вопроса до ответа, секунд'],
  generateSeconds: ['Generating, seconds', 'Генерация, секунд'],
  perSecond: ['tokens/s', 'токенов/с'],
  tokensPerSecond: ['Tokens a second', 'Токенов в секунду'],
  answers: ['Answers', 'Ответов'],
  errors: ['Errors', 'Ошибок'],
  tokens: ['Tokens', 'Токенов'],
  day: ['Day (UTC)', 'День (UTC)'],
  byModel: ['By model, of the newest answers', 'По моделям, из последних ответов'],
  byAsker: ['By asker, of the newest answers', 'По спрашивающим, из последних ответов'],
  byAgent: ['By agent, of the newest answers', 'По агентам, из последних ответов'],
  byDay: ['By day, of the newest answers', 'По дням, из последних ответов'],
  noFigures: ['nothing was answered yet', 'ответов ещё не было'],
  login: ['Log in', 'Войти'],
  logout: ['Log out', 'Выйти'],
  token: ['Token', 'Токен'],
  tokenHelp: [
    'This gateway takes calls with a token. llm-bridge token add NAME makes one.',
    'Этот шлюз принимает вызовы с токеном. Его создаёт llm-bridge token add NAME.',
  ],
  wrongToken: ['This is no token of this gateway.', 'У этого шлюза нет такого токена.'],
  away: ['The gateway does not answer.', 'Шлюз не отвечает.'],
  triedAgain: ['It is tried again.', 'Попытки продолжаются.'],
  connectHelp: [
    'Any of these works unchanged with this address.',
    'Всё это работает с этим адресом без изменений.',
  ],
  noTokenNeeded: [
    'This gateway takes calls of this machine without a token: any word will do for TOKEN.',
    'Этот шлюз принимает вызовы с этой машины без токена: вместо TOKEN годится любое слово.',
  ],
  makeToken: ['Make a token', 'Создать токен'],
  tokenName: ['Name of the program', 'Имя программы'],
  madeToken: [
    'It stands in all the settings below and is not shown again. It is removed together with the token that this page is logged in with: llm-bridge token remove.',
    'Он вписан во все настройки ниже и больше показан не будет. Он действует, пока есть токен, с которым открыта эта страница: llm-bridge token remove.',
  ],
} as const satisfies Record<string, readonly [english: string, russian: string]>;

export type Word = keyof typeof WORDS;

const STORED = 'llm-bridge-language';

/** The language of the page: what was chosen, else what the browser prefers. */
export function language(): 'en' | 'ru' {
  const chosen = localStorage.getItem(STORED) ?? navigator.language;
  return chosen.startsWith('ru') ? 'ru' : 'en';
}

/** How dates and numbers are written: as the browser has it, where that is the language of the page. */
export function locale(): string {
  return navigator.language.startsWith(language()) ? navigator.language : language();
}

/** Takes the other language from now on. */
export function switchLanguage(): void {
  localStorage.setItem(STORED, language() === 'ru' ? 'en' : 'ru');
}

/** A word in the language of the page. */
export function say(word: Word): string {
  return WORDS[word][language() === 'ru' ? 1 : 0];
}

/** A duration for a person: `12 s`, `3 min`, `2 h`. `ms` in milliseconds. */
export function duration(ms: number): string {
  const [s, min, h, d] = language() === 'ru' ? ['с', 'мин', 'ч', 'дн'] : ['s', 'min', 'h', 'd'];
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} ${s}`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} ${min}`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} ${h}` : `${Math.round(seconds / 86_400)} ${d}`;
}
